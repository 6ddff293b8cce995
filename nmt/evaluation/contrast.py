"""Contrastive test sets: is the right translation more probable than each wrong one?

Sennrich 2017, "How grammatical is character-level neural machine translation?".
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scipy.stats import binomtest

from nmt.errors import UserError
from nmt.evaluation.groups import Group, read_columns
from nmt.evaluation.score import Score

CONFIDENCE = 0.95


class Accuracy(NamedTuple):
    """How often a model was right, with a confidence interval over test sentences (Wilson 1927).

    Shares, from 0 to 1.
    """

    share: float
    low: float
    high: float


def read_contrast(path: str) -> Iterator[Group]:
    """Read lines of a source, its right target and wrong ones. UserError for any other line."""
    rows = read_columns(path, 2, None, "a source, the right target and at least one wrong target")
    for group in rows:
        right, *wrong = group.targets
        if right in wrong:
            raise UserError(
                f"{path}, line {group.line:,}: the correct target is also among the wrong ones"
            )
        yield group


def is_right(scores: Sequence[Score]) -> bool:
    """Tell whether the first target is more probable than each of the others."""
    right, *wrong = (one.log_p for one in scores)
    return right > max(wrong)


def accuracy(num_right: int, number: int) -> Accuracy:
    """Return the share of ``number`` lines, at least one, with its interval of 95 %."""
    interval = binomtest(num_right, number).proportion_ci(CONFIDENCE, "wilson")
    return Accuracy(num_right / number, interval.low, interval.high)
