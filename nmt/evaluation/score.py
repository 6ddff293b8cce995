"""How probable a model finds given translations, piece by piece."""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

import numpy as np

from nmt.batches.ids import Ids
from nmt.batches.ragged import Ragged
from nmt.data.tokenizer import BOS, EOS, PIECE_CHARACTERS, Tokenizer
from nmt.errors import UserError
from nmt.evaluation.likelihood import LARGEST, batches_of, piece_losses, rows_of
from nmt.run import Translator

MAX_PIECES = 1024  # of a side; `nmt translate` cuts a source there, see `Decode.max_source`
MAX_TOKENS = 4096  # of a batch, a side, padding included


class Score(NamedTuple):
    """The log-probability of a target, given its source: natural logarithms.

    It is that of the pieces in the best segmentation, and of ``</s>`` after them.
    """

    pieces: list[str]  # N, ``</s>`` is the last
    log_ps: np.ndarray  # (N,) float64, ln P(piece | source, all pieces before it)

    @property
    def log_p(self) -> float:
        """ln P(target | source), the sum over the pieces."""
        return float(self.log_ps.sum())

    @property
    def per_piece(self) -> float:
        """The mean over the pieces."""
        return self.log_p / len(self.log_ps)

    @property
    def perplexity(self) -> float:
        """e to the loss per piece: 1 is certain."""
        return exp(min(-self.per_piece, LARGEST))


def score(
    translator: Translator,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    first: int = 1,
    max_pieces: int = MAX_PIECES,
    max_tokens: int = MAX_TOKENS,
) -> list[Score]:
    """Force the model to write each target for its source, and return how probable it found them.

    The values are those of training's forced pass, without label smoothing. ``first`` is the number
    of the first line, for messages. UserError for a side of more than ``max_pieces`` pieces.
    """
    source = encoded(translator.source_tokenizer, sources, "source", first, max_pieces)
    target = encoded(translator.target_tokenizer, targets, "target", first, max_pieces)
    found = score_ids(translator, source, target, max_tokens)
    pieces = translator.target_tokenizer.pieces
    return [Score(pieces([*ids, EOS]), one) for ids, one in zip(target, found, strict=True)]


def score_ids(
    translator: Translator,
    sources: Sequence[list[int]],
    targets: Sequence[list[int]],
    max_tokens: int = MAX_TOKENS,
) -> list[np.ndarray]:
    """Return ln P of each target piece and of eos behind them, (N,) float64 a line.

    Ids are without bos and eos, as those of a :class:`Translation`; so the pieces that a search
    found can be scored, which may not be the best segmentation of their text.
    """
    if not sources:
        return []
    ids = Ids(
        Ragged.of_blocks([[[*line, EOS] for line in sources]]),
        Ragged.of_blocks([[[BOS, *line, EOS] for line in targets]]),
    )
    found = [np.empty(0)] * len(sources)
    with translator.evaluating():
        for rows, batch in zip(rows_of(ids, max_tokens), batches_of(ids, max_tokens), strict=True):
            nats = piece_losses(translator.model, batch.to(translator.device))
            ends = np.cumsum(ids.target.lengths[rows] - 1)
            parts = np.split(-nats.cpu().double().numpy(), ends[:-1])
            for row, part in zip(rows.tolist(), parts, strict=True):
                found[row] = part
    return found


def encoded(
    tokenizer: Tokenizer, lines: Sequence[str], side: str, first: int, most: int
) -> list[list[int]]:
    """Cut lines into ids. UserError, with the number of the line, for one of too many pieces."""
    most_characters = most * PIECE_CHARACTERS
    found = tokenizer.encode([line[: most_characters + 1] for line in lines])
    for number, (line, ids) in enumerate(zip(lines, found, strict=True), first):
        if len(ids) > most or len(line) > most_characters:
            pieces = f"more than {most:,}" if len(line) > most_characters else f"{len(ids):,}"
            raise UserError(
                f"line {number:,}: the {side} has {pieces} pieces, and at most {most:,} are read "
                "(max_pieces): give one sentence per line, or a higher max_pieces"
            )
    return found
