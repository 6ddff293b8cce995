"""The tables of a comparison, and how their cells are written."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nmt.comparison.comparison import Comparison, Row
from nmt.comparison.crossed import LEVEL, Difference, Tested
from nmt.comparison.measures import Measure, Statistic
from nmt.comparison.notes import STAR

SMALLEST = 0.001  # the smallest p that is written as a number
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Grid(NamedTuple):
    """A table: the first columns are text, the others numbers; a blank cell was not measured."""

    title: str
    header: list[str]
    rows: list[list[str]]
    text_columns: int = 1
    notes: tuple[str, ...] = ()  # printed below it
    best: frozenset[tuple[int, int]] = frozenset()  # cells (row, column) in bold
    base: int | None = None  # the row of the baseline


def measured(comparison: Comparison, measures: Sequence[Measure]) -> list[Measure]:
    """Return the measures that a variant has."""
    has = {key for row in comparison.rows for key in row.statistics}
    return [one for one in measures if one.name in has]


def best_cells(
    comparison: Comparison, columns: Mapping[int, Measure]
) -> frozenset[tuple[int, int]]:
    """Return the cells with the best mean of each column, of tables with a row per variant.

    None in a column whose cells are all equal, or where neither direction is better.
    """
    found: set[tuple[int, int]] = set()
    for column, one in columns.items():
        values = {
            place: one.better * row.statistics[one.name].mean
            for place, row in enumerate(comparison.rows)
            if one.better and one.name in row.statistics
        }
        found |= {(place, column) for place in best_places(values, one.digits)}
    return frozenset(found)


def best_places(values: Mapping[int, float], digits: int) -> list[int]:
    """Return the places of the highest value as written; none where all are equal."""
    rounded = {place: round(value, digits) for place, value in values.items()}
    best = max(rounded.values(), default=0.0)
    found = [place for place, value in rounded.items() if value == best]
    return found if len(found) < len(rounded) else []


def base_row(comparison: Comparison) -> int | None:
    """Return the row of the baseline, of tables with a row per variant; None: it is alone."""
    return comparison.rows.index(comparison.base) if len(comparison.rows) > 1 else None


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
    """Write 34.09 ± 0.21; a single run has no deviation."""
    deviation = "" if found.deviation is None else f" ± {found.deviation:.2f}"
    return f"{found.mean:.2f}{deviation}"


def against(row: Row, tested: Tested) -> list[str]:
    """Write the difference to the baseline, its interval, p, and p by Holm."""
    if row.difference is None:
        return ["baseline", "", "", ""]
    found = tested.differences.get(row.variant.name)
    if found is None:
        return [f"{row.difference:+.2f}", "", "", ""]
    corrected = tested.corrected[row.variant.name]
    return [f"{row.difference:+.2f}", interval(found, 2), p_value(found.p), p_value(corrected)]


def change(comparison: Comparison, row: Row, measure: Measure) -> str:
    """Write the difference to the baseline in a measure, with a star where it is significant."""
    found = row.statistics.get(measure.name)
    base = comparison.base.statistics.get(measure.name)
    if row is comparison.base or found is None or base is None:
        return ""
    p = comparison.tests[measure.name].corrected.get(row.variant.name, 1.0)
    return f"{found.mean - base.mean:+.{measure.digits}f}{f' {STAR}' if p < LEVEL else ''}"


def starred(comparison: Comparison, row: Row, measure: Measure) -> str:
    """Write the mean of a measure, with a star where it differs significantly from the baseline."""
    found = mean(row, measure)
    tested = comparison.tests.get(measure.name)
    p = tested.corrected.get(row.variant.name, 1.0) if tested else 1.0
    return f"{found}{f' {STAR}' if found and p < LEVEL else ''}"


def interval(found: Difference, digits: int) -> str:
    """Write 0.31 to 1.20."""
    low, high = found.interval
    return f"{low:.{digits}f} to {high:.{digits}f}"


def p_value(p: float) -> str:
    """Write a probability with three digits, and with four where three would hide its side."""
    if p < SMALLEST:
        return f"<{SMALLEST}"
    return f"{p:.4f}" if round(p, 3) == LEVEL else f"{p:.3f}"


def mean(row: Row, measure: Measure) -> str:
    """Write the mean of a measure; blank where it was not measured."""
    found = row.statistics.get(measure.name)
    return f"{found.mean:,.{measure.digits}f}" if found else ""
