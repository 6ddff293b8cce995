"""A comparison in files: Markdown, CSV, LaTeX and JSON."""

import csv
import io
from typing import Any

from nmt.comparison.comparison import Comparison, Row
from nmt.comparison.measures import MEASURES
from nmt.comparison.tables import Grid, different, footnotes, grids, legend
from nmt.data.text import one_line
from nmt.report.table import markdown, plain

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


def to_markdown(comparison: Comparison, figures: list[tuple[str, str]]) -> str:
    """Return the report in Markdown; figures are (title, file beside it)."""
    parts = ["# Comparison"]
    for grid in (*grids(comparison), different(comparison)):
        if grid.rows:
            parts += [f"## {grid.title}", markdown(grid.header, grid.rows)]
    parts += map(plain, footnotes(comparison))
    parts += ["## What is measured", markdown(("", "meaning"), legend())]
    rows = list(comparison.signatures.items())
    parts += ["## Signatures", markdown(("score", "signature"), rows)] if rows else []
    parts += [f"## {title}\n\n![{title}]({file})" for title, file in figures]
    return "\n\n".join(parts) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return a row a variant, and a row a run without a result; unrounded, blank where unknown."""
    rows = [csv_row(row) for row in comparison.rows]
    rows += [
        {"variant": one.name, "seeds": max(one.run.seed, 0) or "", "why": one.run.why}
        for one in comparison.missing
    ]
    measured = [f"{one.name}{end}" for one in MEASURES for end in ("", "_deviation")]
    tested = ["difference", "p_bootstrap", "p_randomisation"]
    header = ["variant", "seeds", *measured, *tested, "footnotes", "why"]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: one_line(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
        for row in rows
    )
    return text.getvalue()


def csv_row(row: Row) -> dict[str, object]:
    """Return the cells of a variant."""
    cells: dict[str, object] = {
        "variant": row.variant.name,
        "seeds": " ".join(map(str, row.variant.seeds)),
        "difference": row.difference,
        "footnotes": " ".join(map(str, row.marks)),
    }
    for name, found in row.statistics.items():
        cells |= {name: found.mean, f"{name}_deviation": found.deviation}
    if row.p:
        cells |= {"p_bootstrap": row.p.bootstrap, "p_randomisation": row.p.randomisation}
    return cells


def to_latex(comparison: Comparison) -> str:
    """Return the tables for LaTeX with the package booktabs."""
    parts = [latex_table(grid) for grid in grids(comparison)]
    notes = [f"{latex(line)}\\par" for line in footnotes(comparison)]
    return "% \\usepackage{booktabs}\n" + "\n\n".join([*parts, *notes]) + "\n"


def latex_table(grid: Grid) -> str:
    """Return one tabular."""
    kinds = "l" * grid.text_columns + "r" * (len(grid.header) - grid.text_columns)
    lines = [" & ".join(map(latex, row)) + r" \\" for row in (grid.header, *grid.rows)]
    return "\n".join(
        [
            f"% {grid.title}",
            rf"\begin{{tabular}}{{{kinds}}}",
            *(r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"),
            r"\end{tabular}",
        ]
    )


def latex(text: str) -> str:
    """Write text so that LaTeX sets it as it is."""
    return "".join(LATEX.get(character, character) for character in one_line(text))


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return all numbers, those of each run and each test too."""
    return {
        "baseline": comparison.baseline.name,
        "signatures": comparison.signatures,
        "variants": [json_row(row) for row in comparison.rows],
        "without_result": [
            {"name": one.name, "run": str(one.run.folder), "why": one.run.why}
            for one in comparison.missing
        ],
        "settings": comparison.settings,
        "footnotes": comparison.footnotes,
        "notes": comparison.notes,
    }


def json_row(row: Row) -> dict[str, Any]:
    """Return a variant: each measure over its runs, and of each run."""
    runs = [
        {"run": str(run.folder), "seed": run.seed}
        | {one.name: value for one in MEASURES if (value := one.read(run)) is not None}
        | ({"p": row.tested[run.seed]._asdict()} if run.seed in row.tested else {})
        for run in row.variant.runs
    ]
    return {
        "variant": row.variant.name,
        "seeds": row.variant.seeds,
        "measures": {name: found._asdict() for name, found in row.statistics.items()},
        "difference": row.difference,
        "p": row.p._asdict() if row.p else None,
        "why_no_p": row.why_no_p or None,
        "footnotes": row.marks,
        "runs": runs,
    }
