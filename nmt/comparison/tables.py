"""The tables of a comparison as text, whatever they are written into."""

from collections.abc import Sequence
from typing import NamedTuple

from nmt.comparison.comparison import Comparison, Row
from nmt.comparison.measures import COST, DEV, MEASURES, QUALITY, Measure, Statistic

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Grid(NamedTuple):
    """A table: the first columns are text, the others numbers; a blank cell was not measured."""

    title: str
    header: list[str]
    rows: list[list[str]]
    text_columns: int = 1


def grids(comparison: Comparison) -> list[Grid]:
    """Return quality, cost, and the runs without a result, as far as there are such."""
    found = [quality(comparison), cost(comparison)]
    return [*found, missing(comparison)] if comparison.missing else found


def quality(comparison: Comparison) -> Grid:
    """What the test set says: mean ± standard deviation, difference to the baseline, p."""
    bleu, *others = measured(comparison, QUALITY)
    header = [
        comparison.heading,
        "seeds",
        bleu.heading,
        "Δ",
        "p boot.",
        "p rand.",
        *headings(others),
    ]
    rows = [
        [name(row), seeds(row), spread(row.statistics["bleu"]), *against(row), *cells(row, others)]
        for row in comparison.rows
    ]
    return Grid("Test set", header, rows, text_columns=2)


def cost(comparison: Comparison) -> Grid:
    """What the dev set says, and what training and translating took; nothing nobody has."""
    shown = measured(comparison, (*DEV, *COST))
    rows = [[name(row), *cells(row, shown)] for row in comparison.rows]
    return Grid("Dev set, and cost", [comparison.heading, *headings(shown)], rows)


def measured(comparison: Comparison, measures: Sequence[Measure]) -> list[Measure]:
    """Return the measures that a variant has."""
    has = {key for row in comparison.rows for key in row.statistics}
    return [one for one in measures if one.name in has]


def missing(comparison: Comparison) -> Grid:
    """The runs without a result, and why."""
    rows = [
        [one.name, "" if one.run.seed < 0 else str(one.run.seed), one.run.why]
        for one in comparison.missing
    ]
    return Grid("Without a result", ["run", "seed", "why"], rows, text_columns=3)


def different(comparison: Comparison) -> Grid:
    """All settings in which the variants differ, those that a name implies too."""
    rows = [[key, *map(str, values)] for key, values in comparison.settings.items()]
    names = [name(row) for row in comparison.rows]
    return Grid("Settings that differ", ["setting", *names], rows, text_columns=1 + len(names))


def legend() -> list[tuple[str, str]]:
    """Return what every heading means."""
    return [(one.heading, one.meaning) for one in MEASURES]


def footnotes(comparison: Comparison) -> list[str]:
    """Return the marked footnotes, and the notes on the whole."""
    marked = [
        f"{str(number).translate(SUPERSCRIPTS)} {text}"
        for number, text in enumerate(comparison.footnotes, start=1)
    ]
    return [*marked, *comparison.notes]


def headings(measures: list[Measure]) -> list[str]:
    """Return the headings of measures."""
    return [one.heading for one in measures]


def name(row: Row) -> str:
    """Return a variant's short name with its marks; the keys stand above."""
    marks = " ".join(str(mark).translate(SUPERSCRIPTS) for mark in row.marks)
    return f"{row.variant.short} {marks}".rstrip()


def seeds(row: Row) -> str:
    """List the seeds."""
    return " ".join(str(seed) for seed in row.variant.seeds if seed >= 0)


def spread(found: Statistic) -> str:
    """Write 34.09 ± 0.21; no deviation of one run."""
    deviation = "" if found.deviation is None else f" ± {found.deviation:.2f}"
    return f"{found.mean:.2f}{deviation}"


def against(row: Row) -> list[str]:
    """Write the difference to the baseline, and both p."""
    if row.difference is None:
        return ["baseline", "", ""]
    tested = ["" if p is None else f"{p:.4f}" for p in row.p or (None, None)]
    return [f"{row.difference:+.2f}", *tested]


def cells(row: Row, measures: list[Measure]) -> list[str]:
    """Write the means of measures; blank where there is none."""
    return [
        f"{found.mean:,.{one.digits}f}" if (found := row.statistics.get(one.name)) else ""
        for one in measures
    ]
