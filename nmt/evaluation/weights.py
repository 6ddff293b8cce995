"""All attention weights of a model over texts, sentence by sentence, in constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.begin import padded
from nmt.decoding.translate import Translation, source_ids
from nmt.evaluation.likelihood import piece_losses
from nmt.evaluation.score import MAX_PIECES, encoded
from nmt.models.contributions import MEASURES
from nmt.report.weights import Weights
from nmt.run import Translator

BATCH_SIZE, BATCH_PIECES = 64, 4096  # of both sides together, padding included


class Forced(NamedTuple):
    """A sentence with a target for teacher forcing; ids are without bos and eos."""

    line: int  # its number in the text, from 1
    source: str
    target: str
    source_ids: list[int]
    target_ids: list[int]
    score: float | None = None  # of the search that found the target; None: it was given


def given(
    translator: Translator,
    sources: Sequence[str],
    targets: Sequence[str],
    first: int = 1,
    max_pieces: int | None = MAX_PIECES,
) -> list[Forced]:
    """Return sentences with given targets.

    UserError for more than ``max_pieces`` on a side; None: no limit.
    """
    lines = range(first, first + len(sources))
    translator.require_asking(sources, lines)
    ids = (
        encoded(translator.source_tokenizer, sources, "source", lines, max_pieces),
        encoded(translator.target_tokenizer, targets, "target", lines, max_pieces),
    )
    return [Forced(*one) for one in zip(lines, sources, targets, *ids, strict=True)]


def found(
    translator: Translator, line: int, source: str, best: Translation, max_source: int
) -> Forced:
    """Return a sentence with its translation, in the pieces that the search found."""
    (ids,) = source_ids(translator.source_tokenizer, [source], max_source)
    return Forced(line, source, best.text, ids[:-1], best.ids, best.score)


def weights_of(
    translator: Translator, sentences: Iterable[Forced], of: str = "weights"
) -> Iterator[Weights]:
    """Run the model on sentences by teacher forcing and yield all weights, in order, float32.

    ``of`` may name another measure, see `nmt.models.contributions`: ``norms`` or ``gradients``. One
    batch of neighbours is in memory at a time. Between batches, torch and the model have their
    usual settings. A model without attention has empty ``weights``.
    """
    for batch in neighbours(sentences):
        yield from read(translator, batch, of)


def neighbours(sentences: Iterable[Forced]) -> Iterator[list[Forced]]:
    """Cut sentences into batches in their order; a long one has a batch of its own."""
    held: list[Forced] = []
    longest = 0
    for one in sentences:
        length = len(one.source_ids) + len(one.target_ids) + 2
        wide = max(longest, length)
        if held and (len(held) == BATCH_SIZE or wide * (len(held) + 1) > BATCH_PIECES):
            yield held
            held, wide = [], length
        held.append(one)
        longest = wide
    if held:
        yield held


def read(translator: Translator, sentences: list[Forced], of: str) -> list[Weights]:
    """Read a batch by teacher forcing."""
    source = padded([[*one.source_ids, EOS] for one in sentences])  # (B,S)
    target = padded([[BOS, *one.target_ids, EOS] for one in sentences])  # (B,T+1)
    maps = translator.attention(source, target, MEASURES[of].maps)
    with translator.inferring():
        nats = piece_losses(translator.model, Batch(source, target).to(translator.device))
    arrays = {one.kind.place.value: one.weights.float().cpu().numpy() for one in maps}
    ends = np.cumsum([len(one.target_ids) + 1 for one in sentences])
    log_p = np.split(-nats.cpu().double().numpy(), ends[:-1])
    return [
        of_sentence(translator, one, log_p[n], {key: array[n] for key, array in arrays.items()}, of)
        for n, one in enumerate(sentences)
    ]


def of_sentence(
    translator: Translator,
    one: Forced,
    log_p: np.ndarray,
    padded: dict[str, np.ndarray],
    of: str,
) -> Weights:
    """Return the weights of a sentence without its batch's padding: arrays (L,H,T,S)."""
    found = Weights(
        one.line,
        one.source,
        one.target,
        translator.source_tokenizer.pieces([*one.source_ids, EOS]),
        translator.target_tokenizer.pieces([*one.target_ids, EOS]),
        one.score,
        log_p,
        {},
        translator.source_language,
        translator.target_language,
        of,
    )
    for place, array in padded.items():
        queries, keys = found.sizes(place)
        found.weights[place] = array[:, :, :queries, :keys].copy()
    return found
