"""Whether one method is better than another: a test over other seeds and other sentences.

The value of variant v under seed r on sentence i has crossed random effects,

    y[v,r,i] = μ_v + a[v,r] + b_i + c[v,i] + e[v,r,i]

and all variants translate the same sentences (Clark 1973; Hagmann, Meier and Riezler 2023).
docs/statistics.md explains it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

import numpy as np
from scipy.special import stdtr, stdtrit

from nmt.comparison.seeds import SeedVariance, pooled, seed_variances
from nmt.comparison.values import Values
from nmt.errors import UserError

LEVEL = 0.05
POWER = 0.8
ONE_SEED = (
    "and one run does not show how much a score varies with the seed: train it with another "
    "seed. One run each can only show whether these two runs differ, not whether the methods do"
)


@dataclass(frozen=True)
class Difference:
    """A difference of mean scores, and its uncertainty."""

    delta: float  # the second variant less the first, in units of the score
    seeds: float  # S: its variance over seeds
    sentences: float  # I: over sentences, without the noise of single runs
    noise: float  # E: the noise of single runs on sentences; S includes it
    df: float  # degrees of freedom, Satterthwaite 1946

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return sqrt(self.seeds + self.sentences)

    @property
    def p(self) -> float:
        """The probability of a difference this large if the methods were equal: two-sided."""
        if self.delta == 0 or self.error == 0:
            return float(self.delta == 0)
        return float(2 * stdtr(self.df, -abs(self.delta) / self.error))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the difference."""
        half = float(stdtrit(self.df, 1 - LEVEL / 2)) * self.error
        return self.delta - half, self.delta + half

    @property
    def visible(self) -> float:
        """The smallest true difference that such a comparison detects four times in five."""
        return float(stdtrit(self.df, 1 - LEVEL / 2) + stdtrit(self.df, POWER)) * self.error


@dataclass(frozen=True)
class Tested:
    """All variants of a table against the baseline, by name."""

    differences: dict[str, Difference]
    corrected: dict[str, float]  # p by Holm 1979, corrected for all of them
    own_variance: list[str]  # variants that are less steady than the rest of their kind
    untested: dict[str, str]  # why there is no test

    @property
    def visible(self) -> float | None:
        """The smallest difference that is visible, the median over the table; None: no test."""
        return (
            median(one.visible for one in self.differences.values()) if self.differences else None
        )


def against(variants: Sequence[Values], baseline: str) -> Tested:
    """Test every variant against the baseline, with the seeds' variance pooled over the table.

    UserError for two variants of one name. A variant that cannot be tested is in ``untested``.
    """
    by_name = {one.name: one for one in variants}
    if len(by_name) < len(variants):
        twice = next(one.name for one in variants if by_name[one.name] is not one)
        raise UserError(f"{twice} is the name of two variants: name each of them differently")
    base = by_name[baseline]
    able = [one for one in variants if one.num_seeds > 1 and same_sentences(base, one)]
    seeds = seed_variances(able)
    differences: dict[str, Difference] = {}
    untested: dict[str, str] = {}
    for one in variants:
        if one is base:
            continue
        why = why_not(base, one)
        if why:
            untested[one.name] = why
        else:
            differences[one.name] = difference(base, one, seeds)
    corrected = holm({name: one.p for name, one in differences.items()})
    kinds = [one.kind for one in able]
    own = [
        one.name
        for one in able
        if kinds.count(one.kind) > 1 and seeds[one.name].variants == (one.name,)
    ]
    return Tested(differences, corrected, own, untested)


def difference(
    first: Values, second: Values, seeds: Mapping[str, SeedVariance] | None = None
) -> Difference:
    """Test the second variant against the first.

    ``seeds`` has the variance over seeds to use for each, by name; None: of its own runs.
    UserError for different sentences, for one seed, and for a test set of one sentence.
    """
    why = why_not(first, second)
    if why:
        raise UserError(f"{second.name} cannot be tested against {first.name}: {why}")
    rounding = max(first.rounding, second.rounding)
    delta = second.score - first.score
    sources: dict[SeedVariance, float] = defaultdict(float)  # variances and their weights
    for one in (first, second):
        sources[seeds[one.name] if seeds else pooled([one])] += 1 / one.num_seeds
    parts = [(weight * source.value, source.df) for source, weight in sources.items()]
    spread, noise = over_sentences(first, second)
    total, df_sentences = satterthwaite(spread)
    inside = (max(0.0, total - noise), df_sentences)
    variance, df = satterthwaite([*parts, inside])
    if variance <= rounding**2:
        parts, inside, df = [], (0.0, 0), df_sentences
    return Difference(
        delta if abs(delta) > rounding else 0.0,
        sum(part for part, _ in parts),
        inside[0],
        noise,
        df,
    )


def over_sentences(first: Values, second: Values) -> tuple[list[tuple[float, float]], float]:
    """Return the observed variance of Δ over sentences, and the part that is due to single runs.

    The first has a variance and its degrees of freedom for each test set; the second is E.
    """
    share = 1 / len(first.sizes) ** 2  # the score is the mean over the test sets
    spread = [
        (share * float(np.var(after - before, ddof=1)) / len(after), len(after) - 1.0)
        for before, after in zip(first.sentence_means, second.sentence_means, strict=True)
    ]
    noise = sum(
        share * (before / first.num_seeds + after / second.num_seeds) / size
        for before, after, size in zip(first.residuals, second.residuals, first.sizes, strict=True)
    )
    return spread, noise


def satterthwaite(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the sum of independent variances and its degrees of freedom; parts have both."""
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0, sum(df for _, df in parts)
    return total, total**2 / sum(part**2 / df for part, df in parts)


def same_sentences(first: Values, second: Values) -> bool:
    """Tell whether two variants translated the same test sets."""
    return (first.test_sets, first.sizes) == (second.test_sets, second.sizes)


def why_not(first: Values, second: Values) -> str:
    """Say why the second variant cannot be tested against the first; empty: it can.

    It does not name the second, so that one message can cover several variants.
    """
    if not same_sentences(first, second):
        return f"not scored on the same sentences as {first.name}: score both on the same test sets"
    if first.num_seeds < 2:
        return f"{first.name} has only one seed, {ONE_SEED}"
    if second.num_seeds < 2:
        return f"only one seed, {ONE_SEED}"
    if min(first.sizes) < 2:
        return (
            "scored on one sentence, and how much a score varies with the sentence is not known: "
            "score on more"
        )
    return ""


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Correct p values of one table for their number (Holm 1979)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p, key=lambda one: p[one])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p}
