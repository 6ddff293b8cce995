"""A comparison: one row per variant, the best first, and the notes on the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from nmt.comparison.conditions import deviations, require_same
from nmt.comparison.counts import RunCounts, counts_of_all
from nmt.comparison.crossed import Tested
from nmt.comparison.measures import (
    MEASURES,
    QUALITY,
    TESTED,
    Measure,
    Statistic,
    measures_of_pairs,
    measures_outside,
    statistic,
)
from nmt.comparison.notes import notes
from nmt.comparison.outside import read_scores
from nmt.comparison.runs import Run
from nmt.comparison.significance import PValues, p_values
from nmt.comparison.testing import Counted, all_against
from nmt.comparison.variants import Naming, Variant, choose, group, identify, shown_at
from nmt.config.settings import Setting
from nmt.errors import UserError
from nmt.stages import stage


@dataclass
class Row:
    """A variant: its measures, and its comparison with the baseline."""

    variant: Variant
    statistics: dict[str, Statistic]  # by measure; without those that were not measured
    difference: float | None  # of the mean BLEU; None: this is the baseline
    two_runs: PValues | None  # of its single run against the baseline's; None: several runs
    marks: list[int]  # footnotes, from 1


@dataclass
class Missing:
    """A run without a result, and why."""

    name: str
    run: Run


@dataclass
class Comparison:
    """The data of every form of the report."""

    rows: list[Row]  # by BLEU, the best first
    missing: list[Missing]
    baseline: Variant
    heading: str  # the keys whose values are the variants' short names
    settings: dict[str, list[Setting]]  # that differ, by key: the value in each row
    footnotes: list[str]  # what marks refer to
    notes: list[str]  # on the whole
    signatures: dict[str, str]
    quality: tuple[Measure, ...]  # of the test set, those from outside too
    tests: dict[str, Tested]  # by score
    counts: dict[Path, RunCounts]  # by run folder

    @property
    def variants(self) -> list[Variant]:
        """The variants, in the order of the rows."""
        return [row.variant for row in self.rows]

    @property
    def base(self) -> Row:
        """The row of the baseline."""
        return next(row for row in self.rows if row.variant is self.baseline)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures; those from outside come after the others of the test set."""
        return (*self.quality, *(one for one in MEASURES if one not in QUALITY))


def compare(
    runs: list[Run], baseline: str | None, allow: list[str], scores: Sequence[Path] = ()
) -> Comparison:
    """Compare the variants.

    ``scores`` are files of :mod:`nmt.comparison.outside`. UserError for runs that cannot be
    compared: none has a result, two are the same, or some differ in a condition that is not in
    ``allow``.
    """
    done = [run for run in runs if not run.why]
    if not done:
        reasons = "; ".join(f"{run.folder}: {run.why}" for run in runs[:3])
        raise UserError(f"none of the {len(runs)} runs has a result. {reasons}")
    require_same(done, allow)
    known = [run for run in runs if run.settings]
    identities = identify(known)
    naming = Naming(identities)
    pairs = [(r, one) for r, one in zip(known, identities, strict=True) if not r.why]
    variants = group([run for run, _ in pairs], [one for _, one in pairs], naming)
    chosen = choose(variants, baseline)
    outside = read_scores(scores, done, [one.name for one in MEASURES])
    measures = (*QUALITY, *measures_of_pairs(done), *measures_outside(outside))
    stage("scoring sentences")
    counts = counts_of_all(done, chosen.runs[0].tokenizer, outside)
    stage("testing the variants")
    tests = tests_of(variants, chosen, counts, measures)
    variants.sort(key=lambda one: -mean(float(run.result["bleu"]) for run in one.runs))
    footnotes: list[str] = []
    stage("bootstrap")
    two_runs = pairs_of_runs(variants, chosen)
    rows = [row(one, chosen, measures, two_runs.get(one.name), footnotes) for one in variants]
    names = {id(run): naming.name(one) for run, one in zip(known, identities, strict=True)}
    return Comparison(
        rows,
        [Missing(names.get(id(run), run.folder.name), run) for run in runs if run.why],
        chosen,
        naming.heading,
        {key: [shown_at(one.identity, key) for one in variants] for key in naming.differing},
        footnotes,
        notes(variants, counts, naming.implied),
        chosen.runs[0].result.get("signatures", {}),
        measures,
        tests,
        counts,
    )


def tests_of(
    variants: Sequence[Variant],
    baseline: Variant,
    counts: Mapping[Path, RunCounts],
    measures: Sequence[Measure],
) -> dict[str, Tested]:
    """Test the variants in every score of sentences that a run has, by name of the score."""
    counted = [
        Counted(one.name, str(one.identity.get("model", "")), [counts[r.folder] for r in one.runs])
        for one in variants
    ]
    outside = [one for one in measures if one not in QUALITY]
    scores = [
        one.name
        for one in measures
        if one in outside
        or (one.name in TESTED and any(statistic(one, variant) for variant in variants))
    ]
    return all_against(counted, baseline.name, scores)


def pairs_of_runs(variants: Sequence[Variant], baseline: Variant) -> dict[str, PValues]:
    """Test single runs against the single run of the baseline, where both have their texts."""
    (first, *more) = baseline.runs
    if more or first.hypotheses is None or first.references is None:
        return {}
    others = {
        one.name: run.hypotheses
        for one in variants
        if one is not baseline
        and len(one.runs) == 1
        and (run := one.runs[0]).hypotheses is not None
        and run.test_set == first.test_set
        and run.references == first.references
    }
    if not others:
        return {}
    return p_values(first.hypotheses, others, first.references, first.tokenizer)


def row(
    variant: Variant,
    baseline: Variant,
    measures: Sequence[Measure],
    two_runs: PValues | None,
    footnotes: list[str],
) -> Row:
    """Measure a variant; unwanted differences become footnotes."""
    every = (*measures, *(one for one in MEASURES if one not in QUALITY))
    found = {one.name: value for one in every if (value := statistic(one, variant))}
    marks: list[int] = []
    for text in deviations(variant, baseline):
        if text not in footnotes:
            footnotes.append(text)
        marks.append(footnotes.index(text) + 1)
    first, base = found["bleu"].mean, [float(run.result["bleu"]) for run in baseline.runs]
    difference = None if variant is baseline else first - sum(base) / len(base)
    return Row(variant, found, difference, two_runs, marks)


def default_output(folders: list[Path]) -> Path:
    """Return where a report goes: into the folder, or into the parent of several folders."""
    resolved = [folder.resolve() for folder in folders]
    if len(folders) == 1:
        return folders[0] / "comparison"
    shared = [
        parent
        for parent in resolved[0].parents
        if all(one.is_relative_to(parent) for one in resolved)
    ]
    return shared[0] / "comparison"
