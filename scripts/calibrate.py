"""Count how often tests find a difference between methods that are equal: their false alarms.

    python scripts/calibrate.py            # simulated: the tables of docs/statistics.md
    python scripts/calibrate.py runs/null  # runs of one variant with many seeds, split at random

Prints Markdown. At a level of 5 % a test that is right has 5 % false alarms.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, filterwarnings

import numpy as np
from scipy.stats import ttest_ind, ttest_rel

from nmt.comparison.counts import counts_of
from nmt.comparison.crossed import LEVEL, Difference, against, difference
from nmt.comparison.influence import Counts
from nmt.comparison.runs import Run, find_runs
from nmt.comparison.seeds import pooled
from nmt.comparison.values import Values, values_of
from nmt.comparison.variants import Naming, group, identify
from nmt.errors import UserError
from nmt.metrics.bleu import bleu_and_chrf_of
from nmt.terminal.table import markdown

SEEDS = (1, 2, 3, 5)
VARIANTS = (10, 30)
EFFECT = 1.0  # BLEU: the true difference that power is counted for
UNSTEADY = 4.0  # times the others' standard deviation over seeds
HARDNESS = 0.5  # standard deviation of b, how hard a sentence is; it is the same for all variants

Rates = dict[str, float]  # of one null: 0 or 1, or a share of its comparisons


class Scenario(NamedTuple):
    """What a score varies by: standard deviations in BLEU, over a whole test set."""

    name: str
    seeds: float  # of a
    methods: float  # of c: what a method does to sentences
    runs: float  # of e: what a run does to sentences


SCENARIOS = (
    Scenario("seeds vary most", 0.40, 0.10, 0.24),
    Scenario("balanced", 0.25, 0.25, 0.25),
    Scenario("sentences vary most", 0.05, 0.40, 0.24),
)


class Simulation(NamedTuple):
    """Tables of variants that are equally good."""

    scenario: Scenario
    num_variants: int
    num_seeds: int
    num_sentences: int
    unsteady: float = 1.0  # the last variant's standard deviation over seeds by the others'

    def draw(self, random: np.random.Generator) -> list[Values]:
        """Draw one table."""
        normal, num = random.standard_normal, self.num_sentences
        _, of_seeds, of_methods, of_runs = self.scenario
        sentences = HARDNESS * normal(num)
        found: list[Values] = []
        for number in range(1, self.num_variants + 1):
            times = self.unsteady if number == self.num_variants else 1.0
            seeds = times * of_seeds * normal((self.num_seeds, 1))
            both = sentences + of_methods * normal(num) + of_runs * normal((self.num_seeds, num))
            found.append(Values(str(number), (seeds + sqrt(num) * both,), ("simulated",)))
        return found


def usual(first: Values, second: Values) -> Rates:
    """Tell what the usual tests find: over other sentences alone, and over other seeds alone."""
    (before,), (after,) = first.sentence_means, second.sentence_means
    found = {"sentences alone": alarm(ttest_rel(after, before).pvalue)}  # type: ignore[attr-defined]
    if first.num_seeds > 1:
        with catch_warnings():
            filterwarnings("ignore", "Precision loss")  # seeds that are nearly the same
            test = ttest_ind(second.seed_scores, first.seed_scores)
        found["seeds alone"] = alarm(test.pvalue)  # type: ignore[attr-defined]
    return found


def crossed(variants: list[Values]) -> Rates:
    """Tell what the pooled test finds, and what it would if every variant kept its own variance."""
    base, *others = variants
    if base.num_seeds < 2:
        return {}
    tested = against(variants, base.name)
    shared, own = list(tested.differences.values()), [difference(base, one) for one in others]
    return {
        "crossed, own": alarms(own),
        "crossed, pooled": alarms(shared),
        "any by Holm": alarm(min(tested.corrected.values())),
        "power, own": alarms(map(moved, own)),
        "power, pooled": alarms(map(moved, shared)),
    }


def unsteady(variants: list[Values]) -> Rates:
    """Tell what is found where the last variant is less steady than the others."""
    base, *_, last = variants
    tested = against(variants, base.name)
    *others, odd = tested.differences.values()
    everyone = dict.fromkeys((one.name for one in variants), pooled(variants))
    return {
        "keeps its own": float(last.name in tested.own_variance),
        "it": alarm(odd.p),
        "it, always pooled": alarm(difference(base, last, everyone).p),
        "it, always its own": alarm(difference(base, last).p),
        "the others": alarms(others),
        "power of the others": alarms(map(moved, others)),
    }


def alarm(p: float) -> float:
    """Return 1 where a test finds a difference."""
    return float(p < LEVEL)


def alarms(found: Iterable[Difference]) -> float:
    """Return the share of differences that are found."""
    return float(np.mean([alarm(one.p) for one in found]))


def moved(found: Difference) -> Difference:
    """Return what would have been found if the second method were better."""
    return replace(found, delta=found.delta + EFFECT)


def mean_of(nulls: Iterable[Rates]) -> Rates:
    """Return the mean of each rate over the nulls."""
    rows = list(nulls)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def rates_table(keys: list[str], found: list[tuple[list[str], Rates]]) -> str:
    """Write rates in per cent below the names of the tests; blank: not tested."""
    names = list(dict.fromkeys(name for _, rates in found for name in rates))
    rows = [
        [*row, *(f"{rates[name]:.1%}" if name in rates else "" for name in names)]
        for row, rates in found
    ]
    return markdown([*keys, *names], rows)


def simulated(num_nulls: int, num_sentences: int, random: np.random.Generator) -> Iterator[str]:
    """Simulate variants that are alike, then some of which one is unsteady: a table each."""
    alike = [
        Simulation(scenario, variants, seeds, num_sentences)
        for scenario in SCENARIOS
        for seeds in SEEDS
        for variants in (VARIANTS if seeds > 1 else (2,))
    ]
    odd = [
        one._replace(unsteady=UNSTEADY)
        for one in alike
        if one.num_seeds > 1 and one.scenario in SCENARIOS[:2]
    ]
    for simulations in (alike, odd):
        found: list[tuple[list[str], Rates]] = []
        for one in simulations:
            tables = (one.draw(random) for _ in range(num_nulls))
            nulls = (
                unsteady(table)
                if one.unsteady != 1
                else usual(table[0], table[-1]) | crossed(table)
                for table in tables
            )
            row = [one.scenario.name, str(one.num_seeds), str(one.num_variants)]
            found.append((row, mean_of(nulls)))
        yield rates_table(["what varies", "seeds", "variants"], found)


def split(folders: list[Path], num_nulls: int, random: np.random.Generator) -> Iterator[str]:
    """Split the runs of one variant at random into equal ones, and test these: a table."""
    runs = [run for run in find_runs(folders) if not run.why]
    identities = identify(runs)
    variants = group(runs, identities, Naming(identities))
    if len(variants) > 1 or len(runs) < 2:
        raise UserError(
            f"{len(runs)} runs of {len(variants)} variants: name the folders of two or more "
            "finished runs of one variant, with different seeds"
        )
    counted = [counts_by_test_set(run) for run in runs]
    found: list[tuple[list[str], Rates]] = []
    for score in next(iter(counted[0].values())):
        values = values_of(variants[0].name, score, counted)
        for seeds in (one for one in SEEDS if 2 * one <= len(runs)):
            tables = (parts(values, seeds, random) for _ in range(num_nulls))
            rates = mean_of(usual(table[0], table[-1]) | crossed(table) for table in tables)
            rates = {name: rate for name, rate in rates.items() if not name.startswith("power")}
            found.append(([score, str(seeds), str(len(runs) // seeds)], rates))
    yield rates_table(["score", "seeds", "variants"], found)


def parts(values: Values, num_seeds: int, random: np.random.Generator) -> list[Values]:
    """Deal the runs out to as many equal variants as there are runs for."""
    places = random.permutation(values.num_seeds)
    return [
        Values(
            str(start),
            tuple(table[places[start : start + num_seeds]] for table in values.tables),
            values.test_sets,
        )
        for start in range(0, values.num_seeds - num_seeds + 1, num_seeds)
    ]


def counts_by_test_set(run: Run) -> dict[str, Counts]:
    """Count what the scores of a run are computed from, by test set."""
    if run.hypotheses is None or run.references is None:
        raise UserError(f"{run.folder} has no translations: evaluate it again, or leave it out")
    metrics = bleu_and_chrf_of(str(run.settings.get("data.target", "en")))
    return {run.test_set or "test": counts_of(run, metrics)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="*", type=Path, help="folders; without any it simulates")
    parser.add_argument("--nulls", type=int, default=2000, help="tables per row (2000)")
    parser.add_argument("--sentences", type=int, default=1000, help="of a simulated test set")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    try:
        tables = (
            split(given.runs, given.nulls, random)
            if given.runs
            else simulated(given.nulls, given.sentences, random)
        )
        for table in tables:
            print(table, end="\n\n", flush=True)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
