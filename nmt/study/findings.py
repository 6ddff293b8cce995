"""What a ledger says of a study: the result of each variant, and the tests of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean
from typing import Any

from nmt.comparison.crossed import Tested
from nmt.comparison.significance import randomisation
from nmt.comparison.testing import Counted, all_against, in_score
from nmt.config.study import Study
from nmt.errors import UserError
from nmt.metrics.words import WORD_SCORES
from nmt.study.jobs import chosen
from nmt.study.ledger import SCORES, Ledger, Row, require_same_pins
from nmt.study.own_links import own_error
from nmt.study.pins import Pins

TOLERANCE = 0.01  # share by which the pieces of two runs of one budget may differ


@dataclass(frozen=True)
class Result:
    """A variant with its runs, the lowest seed first."""

    name: str
    value: Any  # of the tuned setting
    rows: list[Row]

    def scores(self, score: str, test: str | None = None) -> list[float]:
        """Return a score of each run: on one test set, or the mean over all."""
        names = [test] if test else list(self.rows[0].tests)
        return [mean(row.tests[name][score] for name in names) for row in self.rows]

    def has(self, score: str) -> bool:
        """Tell whether all runs have a score on all test sets: older ones lack those of words."""
        return all(score in test for row in self.rows for test in row.tests.values())

    @property
    def precision(self) -> str:
        """The precision of its runs; of several, all."""
        return " and ".join(sorted({row.content["machine"]["precision"] for row in self.rows}))


@dataclass(frozen=True)
class Findings:
    """What a ledger says of a study.

    ``waiting`` are the variants that have no result: not all values of the tuned setting have been
    tried, or no run has ended. ``settings`` are those that were pinned, by variant.
    """

    ledger: Ledger
    study: Study
    settings: dict[str, dict[str, Any]]
    rows: list[Row]
    results: list[Result]
    waiting: list[str]

    @classmethod
    def of(cls, ledger: Ledger, baseline: str | None = None) -> "Findings":
        """Read a ledger; ``baseline`` stands for that of the study.

        UserError for a baseline that is not a variant, and for runs that do not belong into one
        table.
        """
        pins = Pins.read(ledger.pins)
        study = pins.study
        if baseline is not None:
            study.require_variant("baseline", baseline)
            study = replace(study, baseline=baseline)
        rows = ledger.rows()
        require_one_table(rows, pins)
        results: list[Result] = []
        waiting: list[str] = []
        for name in study.variants:
            value = chosen(study, name, rows)
            own = [row for row in rows if row.job.variant == name and row.job.value == value]
            if own and (value is not None or not study.tune):
                results.append(Result(name, value, sorted(own, key=lambda row: row.job.seed)))
            else:
                waiting.append(name)
        return cls(ledger, study, pins.variants, rows, results, waiting)

    @cached_property
    def tests(self) -> dict[str, Tested]:
        """The tests of every score against the baseline; none without a baseline."""
        if self.baseline is None:
            return {}
        return all_against(self.counted, self.study.baseline, [*SCORES, *self.word_scores])

    def tested_against(self, name: str) -> Tested:
        """Test BLEU of all variants against any of them."""
        return in_score(self.counted, name, "bleu")

    @cached_property
    def counted(self) -> list[Counted]:
        """The counts of every result."""
        return [
            Counted(one.name, one.rows[0].content["model"], [row.counts for row in one.rows])
            for one in self.results
        ]

    @property
    def word_scores(self) -> list[str]:
        """The scores of words that some variant has."""
        return [score for score in WORD_SCORES if any(one.has(score) for one in self.results)]

    @cached_property
    def two_runs(self) -> dict[str, dict[str, float]]:
        """The p of a variant's only run against the baseline's only run, by name and test set.

        Of BLEU, see :func:`nmt.comparison.significance.randomisation`. Empty where the baseline has
        several runs.
        """
        if self.baseline is None or len(self.baseline.rows) > 1:
            return {}
        (first,) = self.baseline.rows
        return {
            one.name: {
                test: randomisation(first.bleu_counts(test), one.rows[0].bleu_counts(test))
                for test in self.study.tests
            }
            for one in self.results
            if one is not self.baseline and len(one.rows) == 1
        }

    def own_error(self, row: Row) -> float | None:
        """Return the AER of a run on the study's own sentences, see `nmt.study.own_links`."""
        return own_error(row.arrays, self.study, self.settings[row.job.variant]["data"])

    def result(self, name: str) -> Result | None:
        """Return the result of a variant; None: it has none yet."""
        return next((one for one in self.results if one.name == name), None)

    @property
    def baseline(self) -> Result | None:
        """The variant that the others are tested against; None: it has no result yet."""
        return self.result(self.study.baseline)

    @property
    def best(self) -> Result:
        """The variant with the highest BLEU."""
        return max(self.results, key=lambda one: mean(one.scores("bleu")))


def require_one_table(rows: Sequence[Row], pins: Pins) -> None:
    """Raise UserError for runs with other settings, budgets or test sets than the study's."""
    require_same_pins(rows)
    for row in rows:
        where = f"{row.content['arrays']} of {pins.path.parent / row.content['study']}.jsonl"
        variant = row.job.variant
        if variant not in pins.variants:
            raise UserError(f"{where}: {pins.path} has no variant {variant}")
        if row.content["pinned"] != pins.digests[variant]:
            raise UserError(
                f"{where} was trained with settings {row.content['pinned']}, but {pins.path} "
                f"has {pins.digests[variant]} for {variant}: they do not belong to the same "
                "study"
            )
        pieces = row.content["pieces"]
        update = pieces / row.content["steps"]
        if abs(pieces - pins.study.pieces) > max(TOLERANCE * pieces, 2 * update):
            raise UserError(
                f"{where} read {pieces:,} target pieces, but the budget of the study is "
                f"{pins.study.pieces:,}: runs with different budgets cannot share a table"
            )
        if row.tests.keys() != pins.study.tests.keys():
            raise UserError(
                f"{where} was tested on {', '.join(row.tests)}, but study.tests has "
                f"{', '.join(pins.study.tests)}: restore study.tests, or name the study differently"
            )
        first = rows[0]
        for name in first.tests.keys() | row.tests.keys():
            one, other = (each.tests.get(name, {}).get("fingerprint") for each in (first, row))
            if one != other:
                raise UserError(
                    f"{where} was tested on other sentences of {name} ({other}) than "
                    f"{first.content['arrays']} ({one})"
                )
