"""A comparison: a row a variant, and what has to be said beside the rows."""

from dataclasses import dataclass
from pathlib import Path

from nmt.comparison.conditions import deviations, require_same
from nmt.comparison.measures import MEASURES, Statistic, statistic
from nmt.comparison.runs import Run
from nmt.comparison.significance import (
    DISAGREE,
    EXACT,
    NOT_ALL,
    NOT_TESTED,
    TRIALS,
    PValues,
    largest,
    p_by_seed,
    why_no_p,
)
from nmt.comparison.variants import Naming, Variant, choose, group, identify, value_of
from nmt.errors import UserError
from nmt.evaluation.scores import TOKENIZERS, bleu_tokenizer
from nmt.settings import Setting


@dataclass
class Row:
    """A variant, measured and held against the baseline."""

    variant: Variant
    statistics: dict[str, Statistic]  # by the names of the measures; what was not measured is not
    difference: float | None  # of the mean BLEU; None: this is the baseline
    tested: dict[int, PValues]  # by seed
    why_no_p: str  # empty: there is a p, or this is the baseline
    marks: list[int]  # footnotes, from 1

    @property
    def p(self) -> PValues | None:
        """The largest p of all seeds; None: there is none."""
        return None if self.why_no_p or self.difference is None else largest(self.tested)


@dataclass
class Missing:
    """A run without a result, and why."""

    name: str
    run: Run


@dataclass
class Comparison:
    """All that every form of the report is made of."""

    rows: list[Row]
    missing: list[Missing]
    baseline: Variant
    heading: str  # the keys that the variants' short names have values of
    settings: dict[str, list[Setting]]  # that differ, by key: the value in each row
    footnotes: list[str]  # what marks refer to
    notes: list[str]  # on the whole
    signatures: dict[str, str]

    @property
    def variants(self) -> list[Variant]:
        """The variants, a row each."""
        return [row.variant for row in self.rows]

    @property
    def tokenizer(self) -> str:
        """The tokenizer of BLEU."""
        return tokenizer_of(self.baseline)


def compare(runs: list[Run], baseline: str | None, allow: list[str]) -> Comparison:
    """Hold the variants against each other.

    UserError for runs that cannot be compared: none has a result, two are the same, some differ
    in what is not in ``allow``.
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
    tested = p_by_seed(variants, chosen, tokenizer_of(chosen))
    footnotes: list[str] = []
    rows = [row(variant, chosen, tested[variant.name], footnotes) for variant in variants]
    names = {id(run): naming.name(one) for run, one in zip(known, identities, strict=True)}
    return Comparison(
        rows,
        [Missing(names.get(id(run), run.folder.name), run) for run in runs if run.why],
        chosen,
        naming.heading,
        {key: [value_of(one.identity, key) for one in variants] for key in naming.differing},
        footnotes,
        notes(done, rows, chosen),
        chosen.runs[0].result.get("signatures", {}),
    )


def row(
    variant: Variant, baseline: Variant, tested: dict[int, PValues], footnotes: list[str]
) -> Row:
    """Measure a variant; in what it differs though it should not goes to the footnotes."""
    found = {one.name: value for one in MEASURES if (value := statistic(one, variant))}
    marks: list[int] = []
    for text in deviations(variant, baseline):
        if text not in footnotes:
            footnotes.append(text)
        marks.append(footnotes.index(text) + 1)
    first, base = found["bleu"].mean, [float(run.result["bleu"]) for run in baseline.runs]
    if variant is baseline:
        return Row(variant, found, None, tested, "", marks)
    why = why_no_p(variant, baseline, tested)
    return Row(variant, found, first - sum(base) / len(base), tested, why, marks)


def notes(runs: list[Run], rows: list[Row], baseline: Variant) -> list[str]:
    """Say what a reader has to know of the numbers."""
    found: list[str] = []
    if len(rows) > 1:
        found.append(
            f"Δ is the difference of mean BLEU to {baseline.name}. p is of sacreBLEU's paired "
            f"bootstrap (1,000 resamples) and paired approximate randomisation ({TRIALS:,} trials; "
            f"exact, and alone, where up to {EXACT} sentences differ): how probable a difference "
            "as large would be by the choice of test sentences alone."
        )
    if any(len(row.tested) > 1 for row in rows):
        found.append(
            "With several seeds, runs of equal seeds are tested in pairs, and the largest p of "
            "them stands here."
        )
    for why in (NOT_TESTED, NOT_ALL, DISAGREE):
        names = [row.variant.name for row in rows if row.why_no_p == why]
        if names:
            found.append(f"{why}: {'; '.join(names)}.")
    if any(run.test_set is None for run in runs):
        found.append(
            "Some run folders have no sources.txt and references.txt: whether they were scored "
            "on the same sentences is not known."
        )
    hardware = {(run.result.get("device"), run.result.get("precision")) for run in runs}
    if len(hardware) > 1:
        listed = "; ".join(sorted(f"{device} in {precision}" for device, precision in hardware))
        found.append(f"Speed and memory were measured on different hardware: {listed}.")
    return found


def tokenizer_of(variant: Variant) -> str:
    """Name the tokenizer of a variant's BLEU: that of its signature, else of its language."""
    signature = str(variant.runs[0].result.get("signatures", {}).get("bleu"))
    known = ("13a", *TOKENIZERS.values())
    named = (one for one in known if f"tok:{one}" in signature)
    return next(named, bleu_tokenizer(str(variant.identity.get("data.target", "en"))))


def default_output(folders: list[Path]) -> Path:
    """Return where a report goes: into the folder, or what several folders have above them."""
    resolved = [folder.resolve() for folder in folders]
    if len(folders) == 1:
        return folders[0] / "comparison"
    shared = [
        parent
        for parent in resolved[0].parents
        if all(one.is_relative_to(parent) for one in resolved)
    ]
    return shared[0] / "comparison"
