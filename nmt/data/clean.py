"""What is left out of the training text, with a count for each reason.

Only train is filtered: the sentences of dev and test are the yardstick and stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from datasets import Dataset

from nmt.data.corpus import lines_of
from nmt.data.text import has_control
from nmt.data.tokenizer import PIECE_CHARACTERS
from nmt.errors import UserError, at_least

EMPTY, CONTROL, EQUAL = "a side is empty", "a control character", "source equals target"
HELD_OUT, DUPLICATE = "also in dev or test", "duplicate"


@dataclass
class Clean:
    """The limits. Lengths are counted in pieces of the tokenizer."""

    max_pieces: int = 100  # on either side
    max_ratio: float = 4.0  # of the longer to the shorter side …
    ratio_from: int = 10  # … where the longer one has more pieces than this
    drop_control: bool = True  # pairs with control characters, see nmt.data.text
    drop_duplicates: bool = True
    drop_equal: bool = True
    drop_held_out: bool = True

    def __post_init__(self) -> None:
        """UserError for limits that no pair could keep."""
        at_least(1, {"clean.max_pieces": self.max_pieces, "clean.max_ratio": self.max_ratio})
        at_least(0, {"clean.ratio_from": self.ratio_from})

    @property
    def too_long(self) -> str:
        """What is said of pairs over `max_pieces`."""
        return f"over {self.max_pieces} pieces"


@dataclass
class CleaningReport:
    """How many train pairs there were, what each reason took, in the order of taking."""

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
            raise UserError(f"no train pair is left after cleaning\n{self}")


def clean_text(
    train: Dataset, held_out: Iterable[Dataset], clean: Clean
) -> tuple[Dataset, CleaningReport]:
    """Takes out what the text alone tells: empty, garbled, equal, endless, held out, double."""
    held = {_key(*pair) for split in held_out for pair in _text(split)}
    earlier: set[bytes] = set()

    def reason(source: str, target: str) -> str | None:
        if not source or not target:
            return EMPTY
        if clean.drop_control and (has_control(source) or has_control(target)):
            return CONTROL
        if clean.drop_equal and source == target:
            return EQUAL
        if max(len(source), len(target)) > clean.max_pieces * PIECE_CHARACTERS:
            return clean.too_long
        key = _key(source, target)
        if clean.drop_held_out and key in held:
            return HELD_OUT
        if clean.drop_duplicates and key in earlier:
            return DUPLICATE
        earlier.add(key)
        return None

    dropped: dict[str, int] = {EMPTY: 0, CONTROL: 0, EQUAL: 0, HELD_OUT: 0, DUPLICATE: 0}
    kept: list[int] = []
    for index, (source, target) in enumerate(_text(train)):
        why = reason(source, target)
        if why is None:
            kept.append(index)
        else:
            dropped[why] = dropped.get(why, 0) + 1
    report = CleaningReport(len(train), dropped)
    report.require_some()
    return train.select(kept), report


def clean_lengths(lengths: np.ndarray, clean: Clean, report: CleaningReport) -> np.ndarray:
    """The indices of the pairs that stay; `report` gets the counts. lengths: (N,2) in pieces."""
    longer, shorter = lengths.max(1), lengths.min(1)
    too_long = longer > clean.max_pieces
    unlike = ~too_long & (longer > clean.ratio_from) & (longer > clean.max_ratio * shorter)
    earlier = report.dropped.get(clean.too_long, 0)
    report.dropped[clean.too_long] = earlier + int(too_long.sum())
    report.dropped[f"ratio over {clean.max_ratio:g}"] = int(unlike.sum())
    report.require_some()
    return np.flatnonzero(~(too_long | unlike))


def _text(split: Dataset) -> Iterable[tuple[str, str]]:
    for source, target in lines_of(split):
        yield source.strip(), target.strip()


def _key(source: str, target: str) -> bytes:
    """16 bytes in a pair's place: a million pairs fit in memory."""
    return blake2b(f"{source}\n{target}".encode(), digest_size=16).digest()
