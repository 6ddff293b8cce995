"""What is left out of the training text, with a count for each reason.

Only train is filtered: the sentences of dev and test are the yardstick and stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple, Self

import numpy as np

from nmt.data.pairs import without_asking
from nmt.data.text import Text, has_control
from nmt.data.tokenizer import PIECE_CHARACTERS
from nmt.errors import UserError, at_least

EMPTY, CONTROL, EQUAL = "a side is empty", "a control character", "source equals target"
HELD_OUT, DUPLICATE = "also in dev or test", "duplicate"
KEY = 8  # bytes


@dataclass
class Clean:
    """The limits. Lengths are counted in pieces of the tokenizer."""

    max_pieces: int = 100  # on either side
    max_ratio: float = 4.0  # of the longer to the shorter side …
    ratio_from: int = 10  # … where the longer one has more pieces than this
    drop_control: bool = True  # pairs with control characters, see nmt.data.text
    drop_duplicates: bool = True  # pairs that repeat an earlier one
    drop_equal: bool = True  # pairs whose source equals the target
    drop_held_out: bool = True  # pairs that are also in dev or test

    def __post_init__(self) -> None:
        """UserError for limits that no pair could keep."""
        at_least(1, {"clean.max_pieces": self.max_pieces, "clean.max_ratio": self.max_ratio})
        at_least(0, {"clean.ratio_from": self.ratio_from})

    @property
    def too_long(self) -> str:
        """The row of the report for pairs over `max_pieces`."""
        return f"over {self.max_pieces} pieces"


@dataclass
class CleaningReport:
    """How many train pairs there were, and how many each reason removed, in that order."""

    read: int
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        return self.read - sum(self.dropped.values())

    def rows(self) -> list[tuple[str, int, float]]:
        """(what, pairs, share of the pairs read)."""
        counts = {"read": self.read, **self.dropped, "kept": self.kept}
        return [(name, count, count / max(self.read, 1)) for name, count in counts.items()]

    def __str__(self) -> str:
        return "\n".join(
            f"{name:<24}{count:>12,}{share:>9.2%}" for name, count, share in self.rows()
        )

    def require_some(self) -> None:
        """UserError with the table where nothing is left."""
        if self.kept <= 0:
            raise UserError(f"no training pair is left after cleaning\n{self}")


class Judged(NamedTuple):
    """What is wrong with each of N pairs, and a key that identifies it."""

    reasons: np.ndarray  # (N,) uint8, numbers of Judge.reasons
    keys: np.ndarray  # (N,) uint64


@dataclass(frozen=True)
class Judge:
    """Finds what the text of a pair shows by itself: empty, garbled, equal, endless, held out."""

    clean: Clean
    held: frozenset[bytes]  # keys of dev and test

    @classmethod
    def of(cls, clean: Clean, held_out: Iterable[Text]) -> Self:
        """Make a judge that knows dev and test."""
        both = chain.from_iterable(zip(*text, strict=True) for text in held_out)
        return cls(clean, frozenset(pair_key(a.strip(), b.strip()) for a, b in both))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each pair is left out, as a number; 0: it stays."""
        return "", EMPTY, CONTROL, EQUAL, self.clean.too_long, HELD_OUT, DUPLICATE

    def __call__(self, text: Text) -> Judged:
        found = [self._judge(a.strip(), b.strip()) for a, b in zip(*text, strict=True)]
        number = {reason: number for number, reason in enumerate(self.reasons)}
        reasons = [number[reason] for reason, _ in found]
        keys = b"".join(key for _, key in found)
        return Judged(np.array(reasons, dtype=np.uint8), np.frombuffer(keys, np.uint64))

    def _judge(self, source: str, target: str) -> tuple[str, bytes]:
        clean, key = self.clean, bytes(KEY)
        if not source or not target:
            return EMPTY, key
        if clean.drop_control and (has_control(source) or has_control(target)):
            return CONTROL, key
        if clean.drop_equal and without_asking(source) == target:
            return EQUAL, key
        if max(len(source), len(target)) > clean.max_pieces * PIECE_CHARACTERS:
            return clean.too_long, key
        key = pair_key(source, target)
        return HELD_OUT if clean.drop_held_out and key in self.held else "", key


def clean_text(judge: Judge, judged: Iterable[Judged]) -> tuple[np.ndarray, CleaningReport]:
    """The sorted numbers of the pairs whose text is fine, and a report on the others.

    judged: what `judge` found, block by block. Memory: 9 bytes per pair, 16 more while duplicates
    are found.
    """
    clean = judge.clean
    nothing = Judged(np.empty(0, np.uint8), np.empty(0, np.uint64))
    reasons, keys = (np.concatenate(part) for part in zip(nothing, *judged, strict=True))
    if clean.drop_duplicates:
        stay = np.flatnonzero(reasons == 0)
        reasons[stay[repeated(keys[stay])]] = judge.reasons.index(DUPLICATE)
    sizes = np.bincount(reasons, minlength=len(judge.reasons)).tolist()
    counts = dict(zip(judge.reasons, sizes, strict=True))
    dropped = {name: counts[name] for name in (EMPTY, CONTROL, EQUAL, HELD_OUT, DUPLICATE)}
    if counts[clean.too_long]:
        dropped[clean.too_long] = counts[clean.too_long]
    return np.flatnonzero(reasons == 0), CleaningReport(len(reasons), dropped)


def clean_lengths(lengths: np.ndarray, clean: Clean, report: CleaningReport) -> np.ndarray:
    """The numbers of the pairs that stay; `report` counts the others. lengths: (N,2) pieces.

    May be called block by block.
    """
    longer, shorter = lengths.max(1), lengths.min(1)
    too_long = longer > clean.max_pieces
    unlike = ~too_long & (longer > clean.ratio_from) & (longer > clean.max_ratio * shorter)
    for reason, found in ((clean.too_long, too_long), (f"ratio over {clean.max_ratio:g}", unlike)):
        report.dropped[reason] = report.dropped.get(reason, 0) + int(found.sum())
    return np.flatnonzero(~(too_long | unlike))


def repeated(keys: np.ndarray) -> np.ndarray:
    """The places of keys that occur earlier, too."""
    order = np.argsort(keys, kind="stable")
    again = keys[order[1:]] == keys[order[:-1]]
    return order[1:][again]


def pair_key(source: str, target: str) -> bytes:
    """8 bytes that stand for a pair; one in 370,000 corpora of 10 million has a collision."""
    return blake2b(f"{source}\n{target}".encode(), digest_size=KEY).digest()
