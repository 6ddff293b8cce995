"""The tables of a study, made from its ledger alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from nmt.comparison.cells import Grid, interval, p_value
from nmt.comparison.crossed import LEVEL, Tested
from nmt.comparison.testing import Counted, all_against
from nmt.config.study import Study
from nmt.errors import UserError
from nmt.runs.foreign import read_json
from nmt.study.jobs import Job, chosen
from nmt.study.ledger import SCORES, Ledger, Row, require_same_pins
from nmt.study.pins import Pins
from nmt.study.speed import speed_path

TOLERANCE = 0.01  # share by which the pieces of two runs of one budget may differ
DIGITS = {"bleu": 2, "chrf": 2, "loss": 3}
HEADINGS = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}


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
        return all_against(counted, self.study.baseline, SCORES)

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
                f"{where} was trained with settings {row.content['pinned']}, and {pins.path} has "
                f"{pins.digests[variant]} for {variant}: they are not of one study"
            )
        pieces = row.content["pieces"]
        update = pieces / row.content["steps"]
        if abs(pieces - pins.study.pieces) > max(TOLERANCE * pieces, 2 * update):
            raise UserError(
                f"{where} read {pieces:,} target pieces, and the study's budget is "
                f"{pins.study.pieces:,}: runs of different budgets do not belong into one table"
            )
        first = rows[0]
        for name in first.tests.keys() | row.tests.keys():
            one, other = (each.tests.get(name, {}).get("fingerprint") for each in (first, row))
            if one != other:
                raise UserError(
                    f"{where} was tested on other sentences of {name} ({other}) than "
                    f"{first.content['arrays']} ({one})"
                )


def grids(found: Findings) -> list[Grid]:
    """Return the tables of a study that has a result."""
    tables = [quality(found), others(found), attention(found)]
    tables += [speed(found)] if speed_path(found.ledger.path).is_file() else []
    tables += [tuning(found)] if found.study.tune else []
    return [grid for grid in tables if grid.rows]


def quality(found: Findings) -> Grid:
    """BLEU on each test set, and the mean of the sets against the baseline's."""
    names = list(found.study.tests)
    header = ["variant", "seeds", *names]
    header += (
        ["mean", "Δ", "95 %", "p", "p Holm"] if len(names) > 1 else ["Δ", "95 %", "p", "p Holm"]
    )
    rows = [
        [
            one.name,
            " ".join(str(row.job.seed) for row in one.rows),
            *(spread(one.scores("bleu", name), 2) for name in names),
            *([spread(one.scores("bleu"), 2)] if len(names) > 1 else []),
            *against(found, one, "bleu"),
        ]
        for one in found.results
    ]
    return Grid("BLEU", header, rows, 2, tuple(notes(found, "bleu")))


def others(found: Findings) -> Grid:
    """The other scores, means over the test sets, against the baseline's."""
    header = ["variant"]
    for score in SCORES[1:]:
        header += [HEADINGS[score], "Δ", "95 %", "p", "p Holm"]
    rows = [
        [
            one.name,
            *(
                cell
                for score in SCORES[1:]
                for cell in (
                    spread(one.scores(score), DIGITS[score]),
                    *against(found, one, score),
                )
            ),
        ]
        for one in found.results
    ]
    told = [text for score in SCORES[1:] for text in notes(found, score)]
    return Grid(
        "chrF, and loss in nats per target piece (lower is better)", header, rows, 1, tuple(told)
    )


def attention(found: Findings) -> Grid:
    """How source-target attention is spread over the first test set, and what a run costs."""
    columns: list[tuple[str, int, Callable[[Row], float | None]]] = [
        ("entropy", 2, of_attention("entropy")),
        ("largest weight", 2, of_attention("largest")),
        ("zeros", 2, of_attention("zeros")),
        ("on </s>", 2, of_attention("end")),
        ("dev BLEU", 2, lambda row: row.best_dev),
        ("parameters", 0, lambda row: row.content["parameters"]),
        ("updates", 0, lambda row: row.content["steps"]),
    ]
    rows = []
    for one in found.results:
        cells = [one.name]
        for _, digits, read in columns:
            values = [value for row in one.rows if (value := read(row)) is not None]
            cells.append(f"{mean(values):,.{digits}f}" if values else "")
        rows.append(cells)
    legend = (
        "Source-target attention under teacher forcing on the first test set, means over layers, "
        "heads, pieces and seeds: entropy in nats, the largest weight, the share of weights that "
        "are exactly 0, and the weight on the end of the source, </s>. dev BLEU is the best of "
        "training, greedy.",
    )
    return Grid("Attention", ["variant", *(name for name, _, _ in columns)], rows, 1, legend)


def of_attention(name: str) -> Callable[[Row], float | None]:
    """Return what reads a measure of source-target attention; None: there is no attention."""
    return lambda row: row.content["attention"].get("source-target", {}).get(name)


def speed(found: Findings) -> Grid:
    """How fast each variant trains and translates, as `nmt bench` measured it."""
    path = speed_path(found.ledger.path)
    content = read_json(path)
    speeds = content["variants"]
    base = speeds.get(found.study.baseline)
    rows = []
    for name, one in speeds.items():
        ratio = one["tokens_per_s"] / base["tokens_per_s"] if base else 1.0
        trained, translated = f"{one['tokens_per_s']:,.0f}", f"{one['sentences_per_s']:.1f}"
        rows.append([name, trained, f"{ratio:.2f}", translated])
    machine = content["machine"]
    note = (
        f"By `nmt bench`, median of {content['rounds']} rounds in turn, {machine['device']}, "
        f"{machine['threads']} threads, {machine['precision']}, {content['date']}: target pieces "
        f"per second of training, the same as a ratio to {found.study.baseline}, and sentences per "
        f"second with beam search, of {content['length']} pieces."
    )
    return Grid("Speed", ["variant", "pieces/s", "ratio", "sentences/s"], rows, 1, (note,))


def tuning(found: Findings) -> Grid:
    """Dev BLEU of each value of the tuned setting, with the first seed."""
    tune = found.study.tune
    assert tune
    seed = found.study.seeds[0]
    scores = {row.job: row.best_dev for row in found.rows}
    rows = []
    for name in found.study.variants:
        own = [scores.get(Job(name, value, seed)) for value in tune.values]
        if any(score is not None for score in own):
            best = max(score for score in own if score is not None)
            done = all(score is not None for score in own)
            cells = ["" if s is None else f"{s:.2f}{' *' * (done and s == best)}" for s in own]
            rows.append([name, *cells])
    header = ["variant", *(f"{tune.key}={value}" for value in tune.values)]
    note = f"Best dev BLEU, greedy, with seed {seed}. The other seeds take the value with the star."
    return Grid(f"How {tune.key} was chosen", header, rows, 1, (note,))


def spread(values: Sequence[float], digits: int) -> str:
    """Write 34.09 ± 0.21: mean and standard deviation over seeds; one run has no deviation."""
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{deviation}"


def against(found: Findings, one: Result, score: str) -> list[str]:
    """Write the difference to the baseline, its interval, p, and p by Holm."""
    if one.name == found.study.baseline:
        return ["baseline", "", "", ""]
    if found.baseline is None:
        return ["", "", "", ""]
    digits = DIGITS[score]
    delta = mean(one.scores(score)) - mean(found.baseline.scores(score))
    tested = found.tests[score].differences.get(one.name)
    if tested is None:
        return [f"{delta:+.{digits}f}", "", "", ""]
    corrected = found.tests[score].corrected[one.name]
    star = " *" if corrected < LEVEL else ""
    return [
        f"{delta:+.{digits}f}{star}",
        interval(tested, digits),
        p_value(tested.p),
        p_value(corrected),
    ]


def notes(found: Findings, score: str) -> list[str]:
    """Say below a table what its tests can see, and why some variants have none."""
    if found.baseline is None:
        return [f"No tests: the baseline, {found.study.baseline}, has no result yet."]
    tested = found.tests[score]
    name = HEADINGS[score]
    lines: list[str] = []
    if tested.visible is not None:
        number = len(tested.differences)
        digits = DIGITS[score]
        lines.append(
            f"{name}: the smallest difference that {number} such comparisons would see four times "
            f"in five is {tested.visible:.{digits}f} (the median over the table). * marks p Holm "
            f"below {LEVEL}."
        )
    if tested.own_variance:
        lines.append(
            f"{name}: {', '.join(tested.own_variance)} varied more with the seed than the rest "
            "and kept its own variance."
        )
    reasons: dict[str, list[str]] = {}
    for variant, why in tested.untested.items():
        reasons.setdefault(why, []).append(variant)
    lines += [f"{name}: no p for {', '.join(names)}: {why}" for why, names in reasons.items()]
    return lines
