"""Whether the difference of two runs is chance: sacreBLEU's paired tests over sentences.

They say whether these two *runs* would differ on other sentences, and nothing about the methods,
which `nmt.comparison.crossed` tests.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest, Result

from nmt.comparison.influence import bleu_of_sums, sentence_counts
from nmt.metrics.bleu import bleu_of
from nmt.stages import counted

TRIALS = 10_000  # of the randomisation test …
EXACT = 13  # … but all exchanges of two translations if at most this many sentences differ
ROUNDING = 1e-9  # BLEU


class PValues(NamedTuple):
    """The probability of a difference this large if there were none."""

    bootstrap: float | None  # paired bootstrap resampling, Koehn 2004; None: too few differ
    randomisation: float  # paired approximate randomisation, Riezler and Maxwell 2005


def p_values(
    baseline: list[str], others: dict[str, list[str]], references: list[str], tokenizer: str
) -> dict[str, PValues]:
    """Test the BLEU of other translations of the same sentences against the baseline's.

    The bootstrap is that of `sacrebleu references -i baseline other --paired-bs`, with its 1,000
    resamples. It is left out if at most EXACT sentences differ in their counts for BLEU: it needs
    many, and :func:`randomisation` is exact there. If both have the same BLEU p is 1.
    """
    metric = {"bleu": bleu_of(tokenizer)}
    first = sentence_counts(metric, baseline, references)["bleu"]
    resampled = bootstrap(baseline, others, references, tokenizer)
    found: dict[str, PValues] = {}
    for name, lines in counted(others.items(), len(others)):
        other = sentence_counts(metric, lines, references)["bleu"]
        p: float | None = resampled[name]
        if bleu_of_sums(first.sum(0)) == bleu_of_sums(other.sum(0)):
            p = 1.0
        elif differing(first, other).sum() <= EXACT:
            p = None
        found[name] = PValues(p, randomisation(first, other))
    return found


def bootstrap(
    baseline: list[str], others: dict[str, list[str]], references: list[str], tokenizer: str
) -> dict[str, float]:
    """Return the p of sacreBLEU's paired bootstrap."""
    systems: list[tuple[str, Sequence[str]]] = [("baseline", baseline), *others.items()]
    metrics = {"BLEU": BLEU(tokenize=tokenizer, force=True)}
    _, scores = PairedTest(systems, metrics, [references], "bs")()
    _, *rest = [one for one in scores["BLEU"] if isinstance(one, Result)]
    return {name: p_of(one) for name, one in zip(others, rest, strict=True)}


def p_of(result: Result) -> float:
    """Return the p of a system that was tested."""
    assert result.p_value is not None
    return result.p_value


def randomisation(first: np.ndarray, other: np.ndarray) -> float:
    """Return how often exchanged translations differ in BLEU as much as these, or more.

    Takes the counts of both, (N,10). If two translations are equally good it does not matter which
    system wrote which: they are exchanged in random sentences, TRIALS times, and p is (as large +
    1) / (TRIALS + 1), never too small (Phipson and Smyth 2010). If few sentences differ, all
    exchanges are made, and p is exact. Its random numbers are those of sacreBLEU's `--paired-ar`,
    which counts only larger differences, not equal ones.
    """
    differ = differing(first, other)
    number = int(differ.sum())
    if number <= EXACT:
        exchanged = np.arange(2**number)[:, None] >> np.arange(number) & 1  # (2^K,K)
    else:
        draw = np.random.default_rng(seed_of_tests())
        exchanged = draw.integers(2, size=(TRIALS, len(first)), dtype=bool)[:, differ]  # (TRIALS,K)
    change = exchanged.astype(float) @ (other - first)[differ]  # (…,10), whole numbers
    ours, theirs = first.sum(0) + change, other.sum(0) - change
    differences = abs(bleu_of_sums(ours) - bleu_of_sums(theirs))
    least = abs(bleu_of_sums(first.sum(0)) - bleu_of_sums(other.sum(0))) - ROUNDING
    as_large = int((differences >= least).sum())
    exact = number <= EXACT
    return as_large / len(differences) if exact else (as_large + 1) / (TRIALS + 1)


def differing(first: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tell which sentences, (N,), differ in their counts."""
    return (first != other).any(1)


def seed_of_tests() -> int | None:
    """Return the seed of sacreBLEU's tests; None: a different one each time."""
    given = os.environ.get("SACREBLEU_SEED", "12345")
    return None if given.lower() == "none" else int(given) or None
