"""What a model looked at: the weights of all its attentions over finished sentences."""

from typing import NamedTuple

import torch
from torch import Tensor

from nmt.attention.attention import Attention, record_attention
from nmt.models.seq2seq import Seq2Seq


class AttentionMap(NamedTuple):
    """One attention's weights over a batch."""

    name: str  # empty for the only one; "hop 2", "head 3", "hop 2 head 3"
    weights: Tensor  # (B,T,S)


def attention_maps(model: Seq2Seq, source: Tensor, target: Tensor) -> list[AttentionMap]:
    """Read a batch of finished translations once more and record where each piece looked.

    Takes source ids (B,S) and target ids bos … eos (B,T+1). Row t belongs to the piece that was
    predicted there, so rows are the target without bos. Empty for a model that attends to nothing.
    """
    with record_attention(model) as recorded:
        model.features(source, target[:, :-1])
    num_targets = target.size(1) - 1
    return [
        found for weights in recorded.values() if weights for found in split(weights, num_targets)
    ]


def attends(model: Seq2Seq) -> bool:
    """Tell whether there is any attention to look at."""
    return any(isinstance(module, Attention) for module in model.modules())


def split(recorded: list[Tensor], num_targets: int) -> list[AttentionMap]:
    """Sort what one attention recorded into hops and heads.

    A forward over the whole target recorded (B,[H,]T,S) once a hop; a loop over the positions
    recorded (B,[H,]1,S) once a hop at each position.
    """
    steps = num_targets // recorded[0].size(-2)
    hops = len(recorded) // steps
    maps: list[AttentionMap] = []
    for hop in range(hops):
        weights = torch.cat(recorded[hop::hops], dim=-2)  # (B,[H,]T,S)
        name = f"hop {hop + 1} " if hops > 1 else ""
        if weights.dim() == 3:
            maps.append(AttentionMap(name.strip(), weights))
            continue
        maps.append(AttentionMap(f"{name}mean of heads", weights.mean(1)))
        maps += [
            AttentionMap(f"{name}head {head + 1}", one)
            for head, one in enumerate(weights.unbind(1))
        ]
    return maps
