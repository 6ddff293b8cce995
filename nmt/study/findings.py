"""What a ledger says of a study: the result of each variant, and the tests of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

from nmt.comparison.crossed import Tested
from nmt.comparison.testing import Counted, all_against
from nmt.config.study import Study
from nmt.errors import UserError
from nmt.metrics.words import WORD_SCORES
from nmt.study.jobs import chosen
from nmt.study.ledger import SCORES, Ledger, Row, require_same_pins
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


@dataclass(frozen=True)
class Findings:
    """What a ledger says of a study.

    ``waiting`` are the variants that have no result: not all values of the tuned setting have been
    tried, or no run has ended.
    """

    ledger: Ledger
    study: Study
    rows: list[Row]
    results: list[Result]
    waiting: list[str]

    @classmethod
    def of(cls, ledger: Ledger) -> "Findings":
        """Read a ledger. UserError for runs that do not belong into one table."""
        pins = Pins.read(ledger.pins)
        rows = ledger.rows()
        require_one_table(rows, pins)
        results: list[Result] = []
        waiting: list[str] = []
        for name in pins.study.variants:
            value = chosen(pins.study, name, rows)
            own = [row for row in rows if row.job.variant == name and row.job.value == value]
            if own and (value is not None or not pins.study.tune):
                results.append(Result(name, value, sorted(own, key=lambda row: row.job.seed)))
            else:
                waiting.append(name)
        return cls(ledger, pins.study, rows, results, waiting)

    @cached_property
    def tests(self) -> dict[str, Tested]:
        """The tests of every score against the baseline; none without a baseline."""
        if self.baseline is None:
            return {}
        counted = [
            Counted(one.name, one.rows[0].content["model"], [row.counts for row in one.rows])
            for one in self.results
        ]
        known = [score for score in WORD_SCORES if any(one.has(score) for one in self.results)]
        return all_against(counted, self.study.baseline, [*SCORES, *known])

    @property
    def baseline(self) -> Result | None:
        """The variant that the others are tested against; None: it has no result yet."""
        return next((one for one in self.results if one.name == self.study.baseline), None)

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
