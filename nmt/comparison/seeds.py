"""How much a score varies with the seed: estimated over all variants of a kind of model.

Two or three runs say little about their own variance. Variants of one kind of model vary about
equally, so their variances are pooled; a variant that varies more than the rest keeps its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import fdtrc

from nmt.comparison.values import Values

KEEPS = 0.05  # p of the F test, below which a variant keeps its own variance
LEAVES = 0.01  # and below which it is not pooled into the rest either


class SeedVariance(NamedTuple):
    """The variance of the score of one run over seeds."""

    value: float
    df: int
    variants: tuple[str, ...]  # whose runs it was estimated from


def seed_variances(variants: Sequence[Values]) -> dict[str, SeedVariance]:
    """Return the variance to use for each variant, by name. Each has two seeds or more."""
    found: dict[str, SeedVariance] = {}
    for kind in dict.fromkeys(one.kind for one in variants):
        found |= within_kind([one for one in variants if one.kind == kind])
    return found


def within_kind(variants: list[Values]) -> dict[str, SeedVariance]:
    """Pool the variances of one kind, without those of clearly less steady variants."""
    pool = list(variants)
    while len(pool) > 2:
        worst = min(pool, key=lambda one: steadiness(one, pool))
        if steadiness(worst, pool) >= LEAVES:
            break
        pool.remove(worst)
    shared = pooled(pool)
    return {
        one.name: shared if one in pool and steadiness(one, pool) >= KEEPS else pooled([one])
        for one in variants
    }


def pooled(variants: Sequence[Values]) -> SeedVariance:
    """Return the mean variance of variants, weighted by their degrees of freedom."""
    df = sum(one.num_seeds - 1 for one in variants)
    total = sum((one.num_seeds - 1) * one.seed_variance for one in variants)
    return SeedVariance(total / df, df, tuple(one.name for one in variants))


def steadiness(variant: Values, pool: Sequence[Values]) -> float:
    """Return the p of an F test that a variant's seeds do not vary more than those of the rest.

    For two groups Bartlett's test approximates it; the F test is exact for normal scores, and
    one-sided.
    """
    rest = [one for one in pool if one is not variant]
    if not rest or variant.seed_variance == 0:
        return 1.0
    other = pooled(rest)
    if other.value == 0:
        return 0.0
    return float(fdtrc(variant.num_seeds - 1, other.df, variant.seed_variance / other.value))
