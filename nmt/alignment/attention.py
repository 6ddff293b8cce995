"""Word links out of a model's source-target attention."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.data.tokenizer import BOS, EOS, Tokenizer
from nmt.decoding.begin import padded
from nmt.decoding.translate import batches
from nmt.links.bitext import Bitext, Side
from nmt.links.links import NONE, Links
from nmt.links.words import members, merge
from nmt.models.attention_maps import AttentionMap
from nmt.models.contributions import MEASURES, Measure, as_shares
from nmt.models.seq2seq import Kind
from nmt.run import Translator

BATCH_SIZE, BATCH_PIECES = 64, 4096  # of both sides together, padding included

WEIGHTS = MEASURES["weights"]

LinkRule = Callable[[Tensor], Links]


class Reading(NamedTuple):
    """Which of a model's attentions is read, and where; numbers count from 0, None is the mean."""

    layer: int | None = None
    head: int | None = None
    shift: bool = False

    def __call__(self, weights: Tensor, is_share: bool = True) -> Tensor:
        """Weights (L,H,T+1,S+1) of pieces with eos -> (T,S), a row for each piece but eos.

        That is the row in which the piece is predicted or, shifted, the one in which it is read:
        in a Transformer the row knows the piece itself only then (Chen et al. 2020, section 3).
        If weights are not shares (``is_share``), each row is divided by its sum.
        """
        layers = weights.mean(0) if self.layer is None else weights[self.layer]  # (H,T+1,S+1)
        rows = layers.mean(0) if self.head is None else layers[self.head]  # (T+1,S+1)
        rows = rows if is_share else as_shares(rows)
        return (rows[1:] if self.shift else rows[:-1])[:, :-1]


class Shape(NamedTuple):
    """What a model has to choose from."""

    layers: int  # hops count as layers
    heads: int


@dataclass
class Encoded:
    """A side as a model sees it: ids of each line, and the words of its pieces (S,W)."""

    ids: list[list[int]]
    members: list[Tensor]


def encode(tokenizer: Tokenizer, side: Side) -> Encoded:
    """Cut the lines into pieces and find the words of these. UserError where they do not match."""
    cut = tokenizer.encode_with_spans(side.lines)
    found = [
        members(side.lines[n], pieces.spans, side.word_of(n), len(side.words[n]))
        for n, pieces in enumerate(cut)
    ]
    return Encoded([pieces.ids for pieces in cut], found)


def source_target(
    translator: Translator, source: Tensor, target: Tensor, measure: Measure = WEIGHTS
) -> AttentionMap | None:
    """Run a batch with given targets, ids (B,S) and (B,T+1); return its weights (B,L,H,T,S).

    None: the model has no such attention.
    """
    maps = translator.attention(source, target, measure.maps)
    return next((found for found in maps if found.kind == Kind.SOURCE_TARGET), None)


def shape(translator: Translator, measure: Measure = WEIGHTS) -> Shape | None:
    """Return how many source-target attentions a model has; None: none."""
    found = source_target(translator, torch.tensor([[EOS]]), torch.tensor([[BOS, EOS]]), measure)
    return None if found is None else Shape(*found.weights.shape[1:3])


def word_weights(
    translator: Translator, text: Bitext, readings: Sequence[Reading], measure: Measure = WEIGHTS
) -> Iterator[tuple[int, list[Tensor]]]:
    """Force the model on a text and yield, line by line, what each reading gives: (T,S) words.

    In any order, with the number of the line. A source word has the sum of its pieces' weights, a
    target word the mean of its pieces' rows; what eos got is left out, so that a row may sum to
    less than 1. A line with an empty side is left out.
    """
    source = encode(translator.source_tokenizer, text.source)
    target = encode(translator.target_tokenizer, text.target)
    both = zip(source.ids, target.ids, strict=True)
    lengths = [len(one) + len(other) + 2 if one and other else 0 for one, other in both]
    for batch in batches(lengths, BATCH_SIZE, BATCH_PIECES):
        found = source_target(
            translator,
            padded([[*source.ids[n], EOS] for n in batch]),
            padded([[BOS, *target.ids[n], EOS] for n in batch]),
            measure,
        )
        assert found is not None
        for n, weights in zip(batch, found.weights.float().cpu(), strict=True):
            cut = weights[:, :, : len(target.ids[n]) + 1, : len(source.ids[n]) + 1]
            members_of_line = source.members[n], target.members[n]
            rows = (reading(cut, measure.is_share) for reading in readings)  # (T,S)
            yield n, [merge(one, *members_of_line) for one in rows]


def argmax_links(weights: Tensor) -> Links:
    """Link each target word to the source word it looked at most: weights (T,S).

    A target word that looked at no source word at all has no link.
    """
    if not weights.numel():
        return NONE
    best = weights.max(1)
    rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return frozenset((i, j) for j, (i, weight) in enumerate(rows) if weight > 0)


def threshold_links(weights: Tensor, threshold: float) -> Links:
    """Link what has at least this weight: weights (T,S)."""
    return frozenset((i, j) for j, i in (weights >= threshold).nonzero().tolist())


def attention_links(
    translator: Translator,
    text: Bitext,
    reading: Reading,
    rule: LinkRule,
    measure: Measure = WEIGHTS,
) -> tuple[list[Links], list[Tensor]]:
    """Return the links of each line and the word weights (T,S) they were read from."""
    links: list[Links] = [NONE] * len(text.source.lines)
    pairs = zip(text.target.words, text.source.words, strict=True)
    weights = [torch.zeros(len(target), len(source)) for target, source in pairs]
    for n, (found,) in word_weights(translator, text, [reading], measure):
        links[n], weights[n] = rule(found), found
    return links, weights
