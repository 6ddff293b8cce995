"""The tables of a comparison as text, whatever they are written into."""

from nmt.comparison.cells import (
    SUPERSCRIPTS,
    Grid,
    against,
    change,
    headings,
    interval,
    mean,
    measured,
    name,
    p_value,
    seeds,
    spread,
)
from nmt.comparison.comparison import Comparison
from nmt.comparison.measures import COST, DEV
from nmt.comparison.notes import note_of_others, note_of_two_runs, notes_of_tests


def grids(comparison: Comparison) -> list[Grid]:
    """Return all tables but that of the settings, as far as there is something in them."""
    every = (
        quality(comparison),
        others(comparison),
        differences(comparison),
        two_runs(comparison),
        cost(comparison),
        missing(comparison),
    )
    return [grid for grid in every if grid.rows]


def grids_in_short(comparison: Comparison) -> list[Grid]:
    """Return the tables that fit a terminal: all but the long one of every score's difference."""
    return [grid for grid in grids(comparison) if grid != differences(comparison)]


def quality(comparison: Comparison) -> Grid:
    """BLEU of the test set: mean ± standard deviation, difference to the baseline, p."""
    tested = comparison.tests["bleu"]
    more = ["95 %", "p", "p Holm"] if tested.differences else []
    header = [comparison.heading, "seeds", "BLEU", "Δ", *more]
    rows = [
        [
            name(row),
            seeds(row),
            spread(row.statistics["bleu"]),
            *against(row, tested)[: 1 + len(more)],
        ]
        for row in comparison.rows
    ]
    said = notes_of_tests(comparison.tests, comparison.quality, comparison.baseline.name)
    notes = tuple(said) if len(rows) > 1 else ()
    return Grid("Test set", header, rows, text_columns=2, notes=notes)


def others(comparison: Comparison) -> Grid:
    """The other scores of the test set, and the differences of those that are tested."""
    shown = [one for one in measured(comparison, comparison.quality) if one.name != "bleu"]
    header = [comparison.heading]
    columns = [[name(row) for row in comparison.rows]]
    for one in shown:
        header.append(one.heading)
        columns.append([mean(row, one) for row in comparison.rows])
        if one.name in comparison.tests and len(comparison.rows) > 1:
            header.append(f"Δ {one.heading}")
            columns.append([change(comparison, row, one) for row in comparison.rows])
    rows = [list(row) for row in zip(*columns, strict=True)] if shown else []
    tested = any(one.differences for one in comparison.tests.values())
    notes = (note_of_others(),) if tested and shown else ()
    return Grid("Other scores of the test set", header, rows, notes=notes)


def differences(comparison: Comparison) -> Grid:
    """Every score of every variant against the baseline."""
    header = [comparison.heading, "score", "mean", "Δ", "95 %", "p", "p Holm", "df", "visible"]
    rows: list[list[str]] = []
    for row in comparison.rows:
        for one in comparison.quality:
            found = comparison.tests.get(one.name)
            test = found and found.differences.get(row.variant.name)
            if found and test:
                digits = one.digits
                rows.append(
                    [
                        name(row),
                        one.heading,
                        mean(row, one),
                        f"{test.delta:+.{digits}f}",
                        interval(test, digits),
                        p_value(test.p),
                        p_value(found.corrected[row.variant.name]),
                        f"{test.df:,.1f}",
                        f"{test.visible:.{digits}f}",
                    ]
                )
    return Grid(f"Differences to {comparison.baseline.name}", header, rows, text_columns=2)


def two_runs(comparison: Comparison) -> Grid:
    """Single runs against the single run of the baseline."""
    rows = [
        [
            name(row),
            seeds(row),
            f"{row.difference:+.2f}",
            "" if row.two_runs.bootstrap is None else f"{row.two_runs.bootstrap:.4f}",
            f"{row.two_runs.randomisation:.4f}",
        ]
        for row in comparison.rows
        if row.two_runs
    ]
    header = [comparison.heading, "seed", "Δ BLEU", "p boot.", "p rand."]
    notes = (note_of_two_runs(comparison.baseline.name),)
    return Grid("These two runs", header, rows, text_columns=2, notes=notes)


def cost(comparison: Comparison) -> Grid:
    """What the dev set says, and what training and translating took; nothing nobody has."""
    shown = measured(comparison, (*DEV, *COST))
    rows = [[name(row), *(mean(row, one) for one in shown)] for row in comparison.rows]
    return Grid("Dev set, and cost", [comparison.heading, *headings(shown)], rows)


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


def legend(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what every heading means."""
    return [(one.heading, one.meaning) for one in comparison.measures]


def footnotes(comparison: Comparison) -> list[str]:
    """Return the marked footnotes, and the notes on the whole."""
    marked = [
        f"{str(number).translate(SUPERSCRIPTS)} {text}"
        for number, text in enumerate(comparison.footnotes, start=1)
    ]
    return [*marked, *comparison.notes]
