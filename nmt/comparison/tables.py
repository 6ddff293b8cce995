"""The tables of a comparison as text, for any format."""

from collections.abc import Sequence

from nmt.comparison.cells import (
    SUPERSCRIPTS,
    Grid,
    against,
    base_row,
    best_cells,
    best_places,
    change,
    headings,
    interval,
    mean,
    measured,
    name,
    p_value,
    seeds,
    spread,
    starred,
)
from nmt.comparison.comparison import Comparison
from nmt.comparison.lengths import bleu_by_length, lengths_of, unit_of
from nmt.comparison.measures import COST, DEV, WORDS, Measure, is_of_pair
from nmt.comparison.notes import (
    note_of_others,
    note_of_stars,
    note_of_two_runs,
    note_of_words,
    notes_of_tests,
)
from nmt.comparison.variants import typed
from nmt.metrics.words import DROPPED, WORD_SCORES

OF_TESTS = (  # headings other than those of measures
    ("seeds", "of the runs that a mean is over"),
    ("Δ", "the difference of the mean to the baseline's"),
    ("95 %", "the interval of this difference, over other seeds and other sentences"),
    ("p", "how probable a difference as large would be between equal methods"),
    ("p Holm", "p corrected for the number of variants that were tested in this score (Holm 1979)"),
    ("df", "degrees of freedom of the test"),
    ("visible", "the smallest difference that four of five such comparisons would find"),
    ("p boot.", "of two single runs: paired bootstrap over the sentences (Koehn 2004)"),
    ("p rand.", "of two single runs: paired randomisation (Riezler and Maxwell 2005)"),
)


def grids(comparison: Comparison) -> list[Grid]:
    """Return all tables that are not empty, except the one of the settings."""
    every = (
        quality(comparison),
        others(comparison),
        pairs(comparison),
        differences(comparison),
        two_runs(comparison),
        words(comparison),
        lengths(comparison),
        dev(comparison),
        cost(comparison),
        missing(comparison),
    )
    return [grid for grid in every if grid.rows]


def grids_in_short(comparison: Comparison) -> list[Grid]:
    """Return the tables for a terminal: not the differences of every score, nor all lengths."""
    long = differences(comparison), lengths(comparison)
    return [grid for grid in grids(comparison) if grid not in long]


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
    best = best_cells(comparison, {2: comparison.quality[0]})
    return Grid("Test set", header, rows, 2, notes, best, base_row(comparison))


def others(comparison: Comparison) -> Grid:
    """The other scores of the test set, and the differences of those that are tested."""
    elsewhere = ("bleu", *WORD_SCORES)
    quality = measured(comparison, comparison.quality)
    shown = [one for one in quality if one.name not in elsewhere and not is_of_pair(one)]
    header = [comparison.heading]
    columns = [[name(row) for row in comparison.rows]]
    scores: dict[int, Measure] = {}
    for one in shown:
        scores[len(header)] = one
        header.append(one.heading)
        columns.append([mean(row, one) for row in comparison.rows])
        if one.name in comparison.tests and len(comparison.rows) > 1:
            header.append(f"Δ {one.heading}")
            columns.append([change(comparison, row, one) for row in comparison.rows])
    rows = [list(row) for row in zip(*columns, strict=True)] if shown else []
    tested = any(one.differences for one in comparison.tests.values())
    notes = (note_of_others(),) if tested and shown else ()
    best = best_cells(comparison, scores)
    return Grid("Other scores of the test set", header, rows, 1, notes, best, base_row(comparison))


def pairs(comparison: Comparison) -> Grid:
    """BLEU of each pair of languages, where the test set has several."""
    shown = [one for one in comparison.quality if is_of_pair(one)]
    rows = [
        [name(row), *(starred(comparison, row, one) for one in shown)] for row in comparison.rows
    ]
    notes = (
        (note_of_stars(),) if any(comparison.tests[one.name].differences for one in shown) else ()
    )
    header = [comparison.heading, *headings(shown)]
    best = best_cells(comparison, dict(enumerate(shown, 1)))
    base = base_row(comparison)
    return Grid("Pairs of languages", header, rows if shown else [], 1, notes, best, base)


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
            "" if row.two_runs.bootstrap is None else p_value(row.two_runs.bootstrap),
            p_value(row.two_runs.randomisation),
        ]
        for row in comparison.rows
        if row.two_runs
    ]
    header = [comparison.heading, "seed", "Δ BLEU", "p boot.", "p rand."]
    notes = (note_of_two_runs(comparison.baseline.name),)
    return Grid("These two runs", header, rows, text_columns=2, notes=notes)


def words(comparison: Comparison) -> Grid:
    """Word scores: repeated, dropped, rare and frequent words."""
    shown = measured(comparison, WORDS)
    rows = [
        [name(row), *(starred(comparison, row, one) for one in shown)] for row in comparison.rows
    ]
    lacking = [row.variant.name for row in comparison.rows if DROPPED not in row.statistics]
    notes = note_of_words(comparison.tests, lacking) if shown else ()
    return Grid(
        "Words of the test set",
        [comparison.heading, *headings(shown)],
        rows if shown else [],
        notes=notes,
        best=best_cells(comparison, dict(enumerate(shown, 1))),
        base=base_row(comparison),
    )


def lengths(comparison: Comparison) -> Grid:
    """BLEU by the length of the source."""
    found = lengths_of(comparison.baseline)
    if found is None:
        return Grid("BLEU by source length", [], [])
    (test_set,) = comparison.counts[comparison.baseline.runs[0].folder]
    scored = [
        (row, scores)
        for row in comparison.rows
        if (scores := bleu_by_length(row.variant, found, test_set, comparison.counts))
    ]
    rows = [[name(row), *(f"{score:.2f}" for score in scores)] for row, scores in scored]
    best = {
        (place, column)
        for column in range(len(found))
        for place in best_places({n: s[column] for n, (_, s) in enumerate(scored)}, 2)
    }
    base = next((n for n, (row, _) in enumerate(scored) if row is comparison.base), None)
    unit = unit_of(comparison.baseline)
    header = [f"{one.label} {unit} ({len(one.places):,})" for one in found]
    note = "In brackets: how many sentences there are. The figure has the spread of each number."
    return Grid(
        "BLEU by source length",
        [comparison.heading, *header],
        rows,
        notes=(note,),
        best=frozenset((place, column + 1) for place, column in best),
        base=base,
    )


def dev(comparison: Comparison) -> Grid:
    """Measures of the dev set, including attention."""
    return of_measures(comparison, "Dev set", DEV)


def cost(comparison: Comparison) -> Grid:
    """The cost of training and translation."""
    return of_measures(comparison, "Cost", COST)


def of_measures(comparison: Comparison, title: str, measures: Sequence[Measure]) -> Grid:
    """The means of the measures that some variant has."""
    shown = measured(comparison, measures)
    rows = [[name(row), *(mean(row, one) for one in shown)] for row in comparison.rows]
    return Grid(
        title,
        [comparison.heading, *headings(shown)],
        rows if shown else [],
        best=best_cells(comparison, dict(enumerate(shown, 1))),
        base=base_row(comparison),
    )


def missing(comparison: Comparison) -> Grid:
    """The runs without a result, and why."""
    rows = [
        [one.name, "" if one.run.seed < 0 else str(one.run.seed), one.run.why]
        for one in comparison.missing
    ]
    return Grid("Without a result", ["run", "seed", "why"], rows, text_columns=3)


def different(comparison: Comparison) -> Grid:
    """All settings in which the variants differ, including those that a name implies."""
    rows = [[key, *map(typed, values)] for key, values in comparison.settings.items()]
    names = [name(row) for row in comparison.rows]
    return Grid("Settings that differ", ["setting", *names], rows, text_columns=1 + len(names))


def legend(comparison: Comparison) -> list[tuple[str, str]]:
    """Explain every heading of the tables, without those that no run has."""
    shown = {heading for grid in grids(comparison) for heading in grid.header}
    every = (*OF_TESTS, *((one.heading, one.meaning) for one in comparison.measures))
    return [(heading, meaning) for heading, meaning in every if heading in shown]


def footnotes(comparison: Comparison) -> list[str]:
    """Return the marked footnotes, and the notes on the whole."""
    marked = [
        f"{str(number).translate(SUPERSCRIPTS)} {text}"
        for number, text in enumerate(comparison.footnotes, start=1)
    ]
    return [*marked, *comparison.notes]
