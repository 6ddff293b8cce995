"""A comparison in files: Markdown, CSV, LaTeX and JSON."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from nmt.comparison.cells import Grid
from nmt.comparison.comparison import Comparison, Row
from nmt.comparison.crossed import Tested
from nmt.comparison.headline import headline, subtitle
from nmt.comparison.significance import PValues
from nmt.comparison.tables import different, footnotes, grids, legend
from nmt.data.text import one_line
from nmt.terminal.table import markdown, plain

LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    **{mark: f"$^{number}$" for number, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
# The keys and columns of a test.
OF_A_TEST = ("difference", "low", "high", "p", "p_holm", "standard_error", "df", "visible")


def to_markdown(comparison: Comparison, figures: list[tuple[str, str]]) -> str:
    """Return the report in Markdown; figures are (title, file beside it)."""
    parts = [
        "# Comparison",
        f"{plain(headline(comparison))}. {plain(', '.join(subtitle(comparison)))}.",
    ]
    for grid in (*grids(comparison), different(comparison)):
        if grid.rows:
            parts += [f"## {plain(grid.title)}", markdown(grid.header, grid.rows, grid.best)]
            parts += map(plain, grid.notes)
    parts += map(plain, footnotes(comparison))
    parts += ["## What is measured", markdown(("", "meaning"), legend(comparison))]
    rows = list(comparison.signatures.items())
    parts += ["## Signatures", markdown(("score", "signature"), rows)] if rows else []
    parts += [f"## {title}\n\n![{title}]({file})" for title, file in figures]
    return "\n\n".join(parts) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return one row per variant, and one per run without a result; unrounded, blank if unknown."""
    rows = [csv_row(row, comparison) for row in comparison.rows]
    rows += [
        {"variant": one.name, "seeds": "" if one.run.seed < 0 else one.run.seed, "why": one.run.why}
        for one in comparison.missing
    ]
    measured = [f"{one.name}{end}" for one in comparison.measures for end in ("", "_deviation")]
    tested = [f"{score}_{key}" for score in comparison.tests for key in OF_A_TEST]
    pairs = [f"two_runs_p_{key}" for key in PValues._fields]
    header = ["variant", "seeds", *measured, "difference", *tested, *pairs, "footnotes", "why"]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: one_line(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
        for row in rows
    )
    return text.getvalue()


def csv_row(row: Row, comparison: Comparison) -> dict[str, object]:
    """Return the cells of a variant."""
    cells: dict[str, object] = {
        "variant": row.variant.name,
        "seeds": " ".join(map(str, row.variant.seeds)),
        "difference": row.difference,
        "footnotes": " ".join(map(str, row.marks)),
    }
    for name, found in row.statistics.items():
        cells |= {name: found.mean, f"{name}_deviation": found.deviation}
    for score, tested in comparison.tests.items():
        if row.variant.name in tested.differences:
            test = test_of(tested, row.variant.name)
            cells |= {f"{score}_{key}": value for key, value in test.items()}
    if row.two_runs:
        cells |= {f"two_runs_p_{key}": value for key, value in row.two_runs._asdict().items()}
    return cells


def to_latex(comparison: Comparison) -> str:
    """Return the tables for LaTeX with the package booktabs."""
    parts = ["\n".join([latex_table(grid), *pars(grid.notes)]) for grid in grids(comparison)]
    notes = pars(footnotes(comparison))
    return "% \\usepackage{booktabs}\n" + "\n\n".join([*parts, *notes]) + "\n"


def pars(lines: Sequence[str]) -> list[str]:
    """Return lines as paragraphs of LaTeX."""
    return [f"{latex(line)}\\par" for line in lines]


def latex_table(grid: Grid) -> str:
    """Return one tabular."""
    kinds = "l" * grid.text_columns + "r" * (len(grid.header) - grid.text_columns)
    rows = [
        [
            rf"\textbf{{{latex(cell)}}}" if (place, column) in grid.best else latex(cell)
            for column, cell in enumerate(row)
        ]
        for place, row in enumerate(grid.rows)
    ]
    lines = [" & ".join(row) + r" \\" for row in (map(latex, grid.header), *rows)]
    return "\n".join(
        [
            f"% {grid.title}",
            rf"\begin{{tabular}}{{{kinds}}}",
            *(r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"),
            r"\end{tabular}",
        ]
    )


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return "".join(LATEX.get(character, character) for character in one_line(text))


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return all numbers, those of each run and each test too."""
    return {
        "baseline": comparison.baseline.name,
        "signatures": comparison.signatures,
        "tests": {
            score: {
                "comparisons": len(found.differences),
                "smallest_visible_difference": found.visible,
                "own_variance": found.own_variance,
            }
            for score, found in comparison.tests.items()
        },
        "variants": [json_row(row, comparison) for row in comparison.rows],
        "without_result": [
            {"name": one.name, "run": str(one.run.folder), "why": one.run.why}
            for one in comparison.missing
        ],
        "settings": comparison.settings,
        "footnotes": comparison.footnotes,
        "notes": [*(note for grid in grids(comparison) for note in grid.notes), *comparison.notes],
    }


def json_row(row: Row, comparison: Comparison) -> dict[str, Any]:
    """Return a variant: each measure over its runs and of each run, and its tests."""
    runs = [
        {"run": str(run.folder), "seed": run.seed}
        | {one.name: value for one in comparison.measures if (value := one.read(run)) is not None}
        for run in row.variant.runs
    ]
    return {
        "variant": row.variant.name,
        "seeds": row.variant.seeds,
        "measures": {name: found._asdict() for name, found in row.statistics.items()},
        "difference": row.difference,
        "tests": {
            score: test_of(found, row.variant.name)
            for score, found in comparison.tests.items()
            if row.difference is not None
        },
        "these_two_runs": row.two_runs._asdict() if row.two_runs else None,
        "footnotes": row.marks,
        "runs": runs,
    }


def test_of(tested: Tested, variant: str) -> dict[str, Any]:
    """Return the test of a variant in one score, or why there is none."""
    found = tested.differences.get(variant)
    if found is None:
        return {"untested": tested.untested[variant]}
    low, high = found.interval
    corrected = tested.corrected[variant]
    numbers = (found.delta, low, high, found.p, corrected, found.error, found.df, found.visible)
    return dict(zip(OF_A_TEST, numbers, strict=True))
