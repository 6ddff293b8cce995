"""Whether a difference in BLEU could be chance: sacreBLEU's own paired tests."""

from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest, Result

from nmt.comparison.variants import Variant


class PValues(NamedTuple):
    """How probable a difference as large would be if there were none."""

    bootstrap: float  # paired bootstrap resampling, Koehn 2004: 1,000 resamples
    randomisation: float  # paired approximate randomisation, Riezler and Maxwell 2005: 10,000


def p_values(
    baseline: list[str], others: dict[str, list[str]], references: list[str], tokenizer: str
) -> dict[str, PValues]:
    """Test the BLEU of other translations of the same sentences against the baseline's.

    As `sacrebleu references -i baseline other --paired-bs` and `--paired-ar` do, with its seed
    (12345, or the environment's SACREBLEU_SEED). But where two have the same BLEU p is 1:
    sacreBLEU counts larger differences alone, and gives these its smallest p.
    """
    systems: list[tuple[str, Sequence[str]]] = [("baseline", baseline), *others.items()]
    found: list[list[float]] = []
    for test in ("bs", "ar"):
        metrics = {"BLEU": BLEU(tokenize=tokenizer)}
        _, scores = PairedTest(systems, metrics, [references], test)()
        first, *rest = [one for one in scores["BLEU"] if isinstance(one, Result)]
        found.append([1.0 if one.score == first.score else p_of(one) for one in rest])
    return {name: PValues(*pair) for name, *pair in zip(others, *found, strict=True)}


def p_of(result: Result) -> float:
    """Return the p of a system that was tested."""
    assert result.p_value is not None
    return result.p_value


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


def largest(tested: dict[int, PValues]) -> PValues | None:
    """Return the largest p of all seeds, the most careful summary; None: nothing was tested."""
    if not tested:
        return None
    return PValues(
        max(values.bootstrap for values in tested.values()),
        max(values.randomisation for values in tested.values()),
    )
