"""The values of one variant: a table of seeds and sentences for each test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nmt.comparison.influence import Counts, influence
from nmt.errors import UserError


@dataclass(frozen=True, eq=False)
class Values:
    """Influence values of the runs of a variant. The score is the mean over the test sets.

    Args:
        name: of the variant.
        tables: (R,N) for each test set: R runs of different seeds, N sentences. Row r is of the
            same run in all of them.
        test_sets: fingerprints of the test sets. Only values of the same test sets can be compared.
        kind: of model. Variants of one kind share the variance of their seeds.
    """

    name: str
    tables: tuple[np.ndarray, ...]
    test_sets: tuple[str, ...]
    kind: str = ""

    def __post_init__(self) -> None:
        """Raise UserError for a value that is not finite."""
        for name, table in zip(self.test_sets, self.tables, strict=True):
            wrong = np.argwhere(~np.isfinite(table))
            if len(wrong):
                run, sentence = wrong[0] + 1
                raise UserError(
                    f"{self.name}, run {run}, sentence {sentence} of {name}: the score is not a "
                    "finite number. Remove this run, or compare another score"
                )

    @property
    def num_seeds(self) -> int:
        """How many runs there are, R."""
        return len(self.tables[0])

    @property
    def sizes(self) -> list[int]:
        """How many sentences each test set has."""
        return [table.shape[1] for table in self.tables]

    @cached_property
    def seed_scores(self) -> np.ndarray:
        """The score of each run, (R,)."""
        return np.mean([table.mean(1) for table in self.tables], axis=0)

    @property
    def score(self) -> float:
        """The mean score of the runs."""
        return float(self.seed_scores.mean())

    @cached_property
    def seed_variance(self) -> float:
        """The variance of the score over seeds; at least two are needed."""
        return float(self.seed_scores.var(ddof=1))

    @cached_property
    def sentence_means(self) -> list[np.ndarray]:
        """The mean of each sentence over seeds, (N,) for each test set."""
        return [table.mean(0) for table in self.tables]

    @cached_property
    def residuals(self) -> list[float]:
        """The noise of a run on a sentence: the residual mean square of each table."""
        found: list[float] = []
        for table, means in zip(self.tables, self.sentence_means, strict=True):
            rest = table - means - table.mean(1, keepdims=True) + table.mean()
            df = (table.shape[0] - 1) * (table.shape[1] - 1)
            found.append(float((rest**2).sum() / df))
        return found

    @cached_property
    def rounding(self) -> float:
        """How large a difference of these values may be by rounding."""
        return 1e-12 * max(float(abs(table).max()) for table in self.tables)


def values_of(
    name: str, score: str, runs: Sequence[Mapping[str, Counts]], kind: str = ""
) -> Values:
    """Return the values of a variant from the sentence counts of its runs.

    Each run has its counts by test set. UserError where runs differ in their test sets, or lack
    the score.
    """
    test_sets = tuple(sorted(runs[0]))
    for number, run in enumerate(runs, 1):
        if set(run) != set(test_sets):
            raise UserError(
                f"{name}: run {number} was scored on {', '.join(run)}, run 1 on "
                f"{', '.join(test_sets)}. Score all runs on the same test sets"
            )
        for test_set, counts in run.items():
            if score not in counts:
                raise UserError(
                    f"{name}, run {number}, {test_set}: {score} was not kept for each sentence. "
                    "Evaluate the run again, or compare another score"
                )
            if counts[score].shape != runs[0][test_set][score].shape:
                raise UserError(
                    f"{name}, run {number}: {len(counts[score]):,} sentences of {test_set}, and "
                    f"{len(runs[0][test_set][score]):,} in run 1. Score all runs on the same test "
                    "sets"
                )
    tables = [np.stack([influence(score, run[one][score]) for run in runs]) for one in test_sets]
    return Values(name, tuple(tables), test_sets, kind)
