"""Whether a difference in BLEU could be chance: paired bootstrap and randomisation tests."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest, Result

from nmt.comparison.counts import bleu, counts
from nmt.comparison.variants import Variant

TRIALS = 10_000  # of the randomisation test …
EXACT = 13  # … but all exchanges of two translations where these many sentences differ, or fewer
ROUNDING = 1e-9  # BLEU
NOT_TESTED = (
    "No p, for want of a run of the same seed with the same test set in the baseline, or of its "
    "translations"
)
NOT_ALL = "No p: Δ is a mean over more runs than the seeds that both have, which could be tested"
DISAGREE = "No p: better than the baseline with one seed and worse with another"


class PValues(NamedTuple):
    """How probable a difference as large would be if there were none."""

    bootstrap: float | None  # paired bootstrap resampling, Koehn 2004; None: too few differ
    randomisation: float  # paired approximate randomisation, Riezler and Maxwell 2005


def p_values(
    baseline: list[str], others: dict[str, list[str]], references: list[str], tokenizer: str
) -> dict[str, PValues]:
    """Test the BLEU of other translations of the same sentences against the baseline's.

    The bootstrap is that of `sacrebleu references -i baseline other --paired-bs`, with its 1,000
    resamples. It is left out where no more than EXACT sentences differ in what BLEU counts: it
    needs many, and :func:`randomisation` is exact there. Where two have the same BLEU p is 1.
    """
    first = counts(baseline, references, tokenizer)
    counted = {name: counts(lines, references, tokenizer) for name, lines in others.items()}
    resampled = bootstrap(baseline, others, references, tokenizer)
    found: dict[str, PValues] = {}
    for name, other in counted.items():
        p: float | None = resampled[name]
        if bleu(first.sum(0)) == bleu(other.sum(0)):
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

    Takes the counts of both, (N,10). Of two translations that are equally good it does not matter
    which is whose: random sentences exchange them, TRIALS times, and p is (as large + 1) /
    (TRIALS + 1), never too small (Phipson and Smyth 2010). Where few sentences differ, all
    exchanges are made, and p is exact. Its random numbers are those of sacreBLEU's `--paired-ar`,
    which counts larger differences alone, not those as large.
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
    differences = np.array([abs(bleu(a) - bleu(b)) for a, b in zip(ours, theirs, strict=True)])
    least = abs(bleu(first.sum(0)) - bleu(other.sum(0))) - ROUNDING
    as_large = int((differences >= least).sum())
    exact = number <= EXACT
    return as_large / len(differences) if exact else (as_large + 1) / (TRIALS + 1)


def differing(first: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tell which sentences, (N,), have other counts."""
    return (first != other).any(1)


def seed_of_tests() -> int | None:
    """Return the seed of sacreBLEU's tests; None: another one every time."""
    given = os.environ.get("SACREBLEU_SEED", "12345")
    return None if given.lower() == "none" else int(given) or None


def p_by_seed(
    variants: list[Variant], baseline: Variant, tokenizer: str
) -> dict[str, dict[int, PValues]]:
    """Test every variant against the baseline's run of the same seed: by name and seed.

    Runs without translations, of a seed that the baseline does not have, or of another test set
    are not tested.
    """
    found: dict[str, dict[int, PValues]] = {variant.name: {} for variant in variants}
    for run in baseline.runs:
        if run.hypotheses is None or run.references is None:
            continue
        others = {
            variant.name: other.hypotheses
            for variant in variants
            if variant is not baseline
            and (other := variant.of_seed(run.seed)) is not None
            and other.hypotheses is not None
            and other.test_set == run.test_set
        }
        if others:
            tested = p_values(run.hypotheses, others, run.references, tokenizer)
            for name, values in tested.items():
                found[name][run.seed] = values
    return found


def why_no_p(variant: Variant, baseline: Variant, tested: dict[int, PValues]) -> str:
    """Say why the tests of pairs of runs say nothing of the difference of means; "": they do."""
    if not tested:
        return NOT_TESTED
    if tested.keys() != {*variant.seeds, *baseline.seeds}:
        return NOT_ALL
    bleus = [
        {run.seed: float(run.result["bleu"]) for run in one.runs} for one in (variant, baseline)
    ]
    differences = [bleus[0][seed] - bleus[1][seed] for seed in tested]
    return DISAGREE if min(differences) < 0 < max(differences) else ""


def largest(tested: dict[int, PValues]) -> PValues:
    """Return the largest p of all seeds, the most careful summary."""
    resampled = [values.bootstrap for values in tested.values()]
    known = [p for p in resampled if p is not None]
    return PValues(
        max(known) if len(known) == len(resampled) else None,
        max(values.randomisation for values in tested.values()),
    )
