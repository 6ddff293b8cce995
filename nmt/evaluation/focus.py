"""How attention is spread over its keys, measured over many sentences."""

from collections.abc import Iterable

import torch
from torch import Tensor

from nmt.attention.mask import padding_mask
from nmt.batches.batch import Batch
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.seq2seq import Kind
from nmt.run import Translator

Sums = dict[str, tuple[float, int]]  # of each measure: over some rows, and their number


def focus(translator: Translator, batches: Iterable[Batch]) -> dict[str, dict[str, float]]:
    """Measure each kind of attention, by its name, under teacher forcing.

    Means over layers, heads and queries:

    - ``entropy``: -Σ p ln p in nats, p = |w| / Σ|w|; 0: one key, ln S: S equal weights. Queries
      whose weights are all 0 are left out;
    - ``uniform``: ln S, the entropy of equal weights on all keys that a query may see;
    - ``largest``: the largest weight of a query;
    - ``zeros``: the share of keys with a weight of exactly 0, of those that a query may see;
    - ``end``: the weight on the last piece of the source, which is </s>; not for the decoder's
      self-attention;
    - ``mark``: that on the piece before it, most often a full stop;
    - ``no_key``: what no key gets: the weight of the sink, or without one what is left over, 1 - Σ
      w. Not for weights that may sum to more than 1 or be negative, unless there is a sink.
    """
    sums: dict[str, Sums] = {}
    with translator.evaluating():
        for batch in batches:
            batch = batch.to(translator.device)
            for found in attention_maps(translator.model, batch.source, batch.target):
                total = sums.setdefault(found.kind.value, {})
                for name, (value, number) in measured(found, batch).items():
                    before, number_before = total.get(name, (0.0, 0))
                    total[name] = before + value, number_before + number
    return {kind: means(total) for kind, total in sums.items()}


def means(sums: Sums) -> dict[str, float]:
    """Divide the sums of :func:`measured` by their numbers; without what was never measured."""
    return {name: value / number for name, (value, number) in sums.items() if number}


def measured(found: AttentionMap, batch: Batch) -> Sums:
    """Measure each query of a batch in each layer and head, and sum up."""
    target = padding_mask(batch.target[:, 1:])  # (B,T): as many as are predicted
    source = padding_mask(batch.source)  # (B,S)
    queries = source if found.kind == Kind.ENCODER else target
    keys = (target if found.kind == Kind.DECODER else source)[:, None]  # (B,1,S)
    visible = keys & queries[:, :, None]  # (B,T,S)
    if found.kind == Kind.DECODER:
        visible = visible & visible.new_ones(visible.shape[1:]).tril()
    weights = found.weights.float()  # (B,L,H,T,S)
    rows = queries[:, None, None].expand(weights.shape[:-1])  # (B,L,H,T)
    seen = visible.sum(-1)[:, None, None].expand_as(rows)
    size = weights.abs().sum(-1)
    parts = weights.abs() / size[..., None]
    zeros = ((weights == 0) & visible[:, None, None]).sum(-1)
    sums = {
        "entropy": summed(torch.special.entr(parts).sum(-1), rows & (size > 0)),
        "uniform": summed(seen.log(), rows),
        "largest": summed(weights.amax(-1), rows),
        "zeros": summed(zeros / seen, rows),
    }
    if found.no_key is not None:
        sums["no_key"] = summed(found.no_key, rows & ~found.no_key.isnan())
    if found.kind != Kind.DECODER:
        for name, back in (("end", 1), ("mark", 2)):
            place = (source.sum(1) - back).clamp(min=0)[:, None, None, None, None]  # (B,1,1,1,1)
            there = weights.take_along_dim(place.expand(*weights.shape[:-1], 1), -1).squeeze(-1)
            sums[name] = summed(there, rows)
    return sums


def summed(values: Tensor, rows: Tensor) -> tuple[float, int]:
    """Sum values (B,L,H,T) over some of the rows, bool (B,L,H,T); and how many these are."""
    return float(values[rows].sum()), int(rows.sum())
