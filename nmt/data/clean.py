"""What is left out of the training text, with a count for each reason.

Only train is filtered: the sentences of dev and test are the yardstick and stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from datasets import Dataset

from nmt.errors import UserError


@dataclass
class Clean:
    """The limits. Lengths are counted in pieces of the tokenizer."""

    max_pieces: int = 100  # on either side
    max_ratio: float = 4.0  # longer side to shorter side; ignored up to `ratio_from` pieces
    ratio_from: int = 10
    drop_duplicates: bool = True
    drop_equal: bool = True  # source equal to target
    drop_seen: bool = True  # the pair is also in dev or test


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
    """What can be told from the text alone: empty, source equal to target, in dev or test, duplicate."""
    seen = {key for split in held_out for key in _keys(split)} if clean.drop_seen else set()
    report = CleaningReport(len(train), {"empty": 0})
    equal, held, duplicate = "source equals target", "also in dev or test", "duplicate"
    report.dropped |= {
        reason: 0
        for reason, wanted in (
            (equal, clean.drop_equal),
            (held, clean.drop_seen),
            (duplicate, clean.drop_duplicates),
        )
        if wanted
    }
    earlier: set[bytes] = set()
    kept: list[int] = []
    for index, (source, target) in enumerate(_text(train)):
        if not source or not target:
            report.dropped["empty"] += 1
        elif clean.drop_equal and source == target:
            report.dropped[equal] += 1
        elif (key := _key(source, target)) in seen:
            report.dropped[held] += 1
        elif clean.drop_duplicates and key in earlier:
            report.dropped[duplicate] += 1
        else:
            earlier.add(key)
            kept.append(index)
    report.require_some()
    return train.select(kept), report


def clean_lengths(lengths: np.ndarray, clean: Clean, report: CleaningReport) -> np.ndarray:
    """The indices that stay of pairs with `lengths` (N,2) in pieces; adds the counts to `report`."""
    longer, shorter = lengths.max(1), lengths.min(1)
    too_long = longer > clean.max_pieces
    unlike = ~too_long & (longer > clean.ratio_from) & (longer > clean.max_ratio * shorter)
    report.dropped[f"over {clean.max_pieces} pieces"] = int(too_long.sum())
    report.dropped[f"ratio over {clean.max_ratio:g}"] = int(unlike.sum())
    report.require_some()
    return np.flatnonzero(~(too_long | unlike))


def _text(split: Dataset) -> Iterable[tuple[str, str]]:
    for batch in split.iter(10_000):
        for source, target in zip(batch["source"], batch["target"], strict=True):
            yield source.strip(), target.strip()


def _keys(split: Dataset) -> Iterable[bytes]:
    return (_key(source, target) for source, target in _text(split))


def _key(source: str, target: str) -> bytes:
    """16 bytes in a pair's place: a million pairs fit in memory."""
    return blake2b(f"{source}\n{target}".encode(), digest_size=16).digest()
