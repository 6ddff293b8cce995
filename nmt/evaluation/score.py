"""How probable a model finds given translations, piece by piece."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp
from typing import NamedTuple

import numpy as np

from nmt.batches.ids import Ids
from nmt.batches.ragged import Ragged
from nmt.data.tokenizer import BOS, EOS, PIECE_CHARACTERS, Tokenizer
from nmt.errors import UserError
from nmt.evaluation.groups import Group, blocks
from nmt.evaluation.likelihood import LARGEST, batches_of, piece_losses, rows_of
from nmt.run import Translator

MAX_PIECES = 1024  # of a side; `nmt translate` cuts a source there, see `Decode.max_source`
MAX_TOKENS = 4096  # of one side of a batch, padding included
BLOCK = 1024  # targets that are held and sorted by length


class Score(NamedTuple):
    """The log-probability of a target, given its source: natural logarithms.

    It counts the pieces of the best segmentation and ``</s>`` after them.
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
    lines: Sequence[int] | None = None,
    max_pieces: int = MAX_PIECES,
    max_tokens: int = MAX_TOKENS,
) -> list[Score]:
    """Score each target for its source by teacher forcing.

    The values are those of training, without label smoothing. ``lines`` are the
    numbers of the lines, for messages; None: 1, 2, … UserError for a side of more than
    ``max_pieces`` pieces.
    """
    lines = range(1, len(sources) + 1) if lines is None else lines
    translator.require_asking(sources, lines)
    source = encoded(translator.source_tokenizer, sources, "source", lines, max_pieces)
    target = encoded(translator.target_tokenizer, targets, "target", lines, max_pieces)
    found = score_ids(translator, source, target, max_tokens)
    pieces = translator.target_tokenizer.pieces
    return [Score(pieces([*ids, EOS]), one) for ids, one in zip(target, found, strict=True)]


def score_groups(
    translator: Translator,
    groups: Iterable[Group],
    max_pieces: int = MAX_PIECES,
    block: int = BLOCK,
) -> Iterator[tuple[Group, list[Score]]]:
    """Yield each group with the scores of its targets, in order and in constant memory.

    ``block`` targets are read at a time; UserError as in :func:`score`.
    """
    for some in blocks(groups, block):
        rows = [(group.line, group.source, one) for group in some for one in group.targets]
        lines, sources, targets = zip(*rows, strict=True)
        scores = iter(score(translator, sources, targets, lines=lines, max_pieces=max_pieces))
        yield from ((group, [next(scores) for _ in group.targets]) for group in some)


def score_ids(
    translator: Translator,
    sources: Sequence[list[int]],
    targets: Sequence[list[int]],
    max_tokens: int = MAX_TOKENS,
) -> list[np.ndarray]:
    """Return ln P of each target piece and of eos behind them, (N,) float64 per line.

    Ids are without bos and eos, as those of a :class:`Translation`; so the pieces that a search
    found can be scored, even if they are not the best segmentation of their text.
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
    tokenizer: Tokenizer, texts: Sequence[str], side: str, lines: Sequence[int], most: int | None
) -> list[list[int]]:
    """Cut texts into ids. UserError, with the number of its line, for one of too many pieces."""
    if most is None:
        return tokenizer.encode(texts)
    most_characters = most * PIECE_CHARACTERS
    found = tokenizer.encode([text[: most_characters + 1] for text in texts])
    for number, text, ids in zip(lines, texts, found, strict=True):
        if len(ids) > most or len(text) > most_characters:
            pieces = f"more than {most:,}" if len(text) > most_characters else f"{len(ids):,}"
            raise UserError(
                f"line {number:,}: the {side} has {pieces} pieces, but at most {most:,} are "
                "read (max_pieces): put one sentence on each line, or raise max_pieces"
            )
    return found
