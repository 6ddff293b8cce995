"""What a model looked at: the weights of all its attentions over finished sentences."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.attention.attention import Attention, record_attention
from nmt.attention.recorded import split
from nmt.attention.sink import NoSink
from nmt.models.seq2seq import Kind, Seq2Seq


class AttentionMap(NamedTuple):
    """The weights of all attentions of one kind over a batch."""

    kind: Kind
    rows: list[str]  # L names: of the layers, of the hops, of the hops of each layer
    weights: Tensor  # (B,L,H,T,S), none beyond ±1; or contributions, none below 0
    no_key: Tensor | None = None  # (B,L,H,T) on a sink, or left over; nan: undefined; None: unknown


def attention_maps(model: Seq2Seq, source: Tensor, target: Tensor) -> list[AttentionMap]:
    """Read a batch of finished translations once more and record where each piece looked.

    Takes source ids (B,S) and target ids bos … eos (B,T+1). A row of source-target weights belongs
    to the piece that was predicted there, so rows are the target without bos; a row or column of a
    decoder's self-attention belongs to the piece that was read there, the target without eos: to
    the state after it in Luong's order, and before it in Bahdanau's, which attends first. Empty for
    a model without attention.
    """
    with record_attention(model, with_sink=True) as recorded:
        model.features(source, target[:, :-1])
    maps = maps_of(model, recorded, source, target, beside_keys)
    return [
        found._replace(weights=found.weights[..., 1:], no_key=found.weights[..., 0])
        for found in maps
    ]


def maps_of(
    model: Seq2Seq,
    recorded: dict[str, list[Tensor]],
    source: Tensor,
    target: Tensor,
    kept: Callable[[Attention, Tensor], Tensor],
) -> list[AttentionMap]:
    """Sort what one forced pass recorded, by kind; ``kept`` makes a map of it."""
    names = {module: name for name, module in model.named_modules()}
    maps: list[AttentionMap] = []
    for kind, attends in model.attentions().items():
        layers = [
            [kept(one, weights) for weights in recorded[names[one]]]
            for attend in attends
            for one in inside(attend)
        ]
        if not layers:
            continue
        queries = source.size(1) if kind == Kind.ENCODER else target.size(1) - 1
        hops = [split(layer, queries) for layer in layers]  # (B,H,T,S), by layer and hop
        weights = torch.stack([hop for layer in hops for hop in layer], 1)
        maps.append(AttentionMap(kind, row_names(len(layers), len(hops[0])), weights))
    return maps


def attends(model: Seq2Seq) -> bool:
    """Tell whether there is any attention to look at."""
    return bool(inside(model))


def inside(module: nn.Module) -> list[Attention]:
    """Every Attention in a module: one in something that attends, none in a fixed context."""
    return [part for part in module.modules() if isinstance(part, Attention)]


def beside_keys(attention: Attention, weights: Tensor) -> Tensor:
    """Return :func:`shares` of the keys, and before them that of no key: (...,T,1+S).

    It is that of the sink. Without a sink it is what is left over, 1 - Σ w, or nan where weights
    may sum to more than 1 or be negative.

    weights: (...,T,S), or (...,T,1+S) with the weight of a sink before those of the keys
    """
    found = shares(attention, weights)
    if not isinstance(attention.sink, NoSink):
        return found
    left = 1 - found.sum(-1, keepdim=True)
    sums = attention.mix.sums_to_one and not attention.normalize.exceeds_one
    return torch.cat([left if sums and not attention.negative else left * torch.nan, found], -1)


def shares(attention: Attention, weights: Tensor) -> Tensor:
    """Return the weights (...,T,S), or w / Σ|w| where they have no scale or may be negative.

    The share of a negative weight is negative. A sink is one of the row.
    """
    if attention.bounded and not attention.negative:
        return weights
    return weights / weights.abs().sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def row_names(num_layers: int, num_hops: int) -> list[str]:
    """Name the layers and hops as far as there are several: "layer 2", "layer 2 hop 1"."""
    return [
        " ".join([f"layer {layer + 1}"] * (num_layers > 1) + [f"hop {hop + 1}"] * (num_hops > 1))
        for layer in range(num_layers)
        for hop in range(num_hops)
    ]
