"""How attention is spread over its keys, measured over many sentences."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from nmt.attention.mask import padding_mask
from nmt.batches.batch import Batch
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.seq2seq import Kind
from nmt.run import Translator


def focus(translator: Translator, batches: Iterable[Batch]) -> dict[str, dict[str, float]]:
    """Measure each kind of attention, by its name, under teacher forcing.

    Means over layers, heads and queries:

    - ``entropy``: -Σ w ln w in nats; 0: one key, ln S: S equal weights;
    - ``uniform``: ln S, the entropy of equal weights on all keys that a query may see;
    - ``largest``: the largest weight of a query;
    - ``zeros``: the share of keys with a weight of exactly 0, of those that a query may see;
    - ``end``: the weight on the last piece of the source, which is </s>; not for the decoder's
      self-attention;
    - ``mark``: that on the piece before it, most often a full stop;
    - ``no_key``: 1 - Σ w, what no key gets: the weight of a sink, or what a normalizer leaves.
    """
    sums: dict[str, dict[str, float]] = {}
    with translator.evaluating():
        for batch in batches:
            batch = batch.to(translator.device)
            for found in attention_maps(translator.model, batch.source, batch.target):
                total = sums.setdefault(found.kind.value, {})
                for name, value in measured(found, batch):
                    total[name] = total.get(name, 0.0) + value
    return {kind: means(total) for kind, total in sums.items()}


def means(sums: dict[str, float]) -> dict[str, float]:
    """Divide the sums of :func:`measured` by the number of queries."""
    return {name: value / sums["queries"] for name, value in sums.items() if name != "queries"}


def measured(found: AttentionMap, batch: Batch) -> Iterator[tuple[str, float]]:
    """Yield sums over the queries of a batch, each a mean over layers and heads; and how many."""
    target = padding_mask(batch.target[:, 1:])  # (B,T): as many as are predicted
    source = padding_mask(batch.source)  # (B,S)
    queries = source if found.kind == Kind.ENCODER else target
    keys = (target if found.kind == Kind.DECODER else source)[:, None]  # (B,1,S)
    visible = keys & queries[:, :, None]  # (B,T,S)
    if found.kind == Kind.DECODER:
        visible = visible & visible.new_ones(visible.shape[1:]).tril()
    weights = found.weights.float()  # (B,L,H,T,S)
    yield "queries", float(queries.sum())
    yield "entropy", over_heads(torch.special.entr(weights.clamp(min=0)).sum(-1), queries)
    yield "uniform", float(visible.sum(-1)[queries].log().sum())
    yield "largest", over_heads(weights.amax(-1), queries)
    zeros = ((weights == 0) & visible[:, None, None]).sum(-1) / visible.sum(-1)[:, None, None]
    yield "zeros", over_heads(zeros, queries)
    yield "no_key", over_heads(1 - weights.sum(-1), queries)
    if found.kind != Kind.DECODER:
        for name, back in (("end", 1), ("mark", 2)):
            place = (source.sum(1) - back).clamp(min=0)[:, None, None, None, None]  # (B,1,1,1,1)
            there = weights.take_along_dim(place.expand(*weights.shape[:-1], 1), -1).squeeze(-1)
            yield name, over_heads(there, queries)


def over_heads(values: Tensor, queries: Tensor) -> float:
    """Sum (B,L,H,T) over the queries (B,T), as a mean over layers and heads."""
    return float(values.mean((1, 2))[queries].sum())
