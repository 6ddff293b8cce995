"""Tables: for the terminal, and as markdown for TensorBoard and the docs."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from nmt.data.text import one_line, shortened

Cell = str | int | float
# What markdown may take for its own; _ at the edge of a word, < before a tag, & before an entity.
MARKUP = re.compile(r"[\\`*\[]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
SHOWN = 2000  # characters of a line, in a table and above a picture


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], title: str | None = None) -> Table:
    """A table for `rich.print`: numbers to the right, text as it is (no [markup] in it)."""
    rows = [list(row) for row in rows]
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(header):
        numbers = bool(rows) and all(not isinstance(row[place], str) for row in rows)
        drawn.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(written(cell)) for cell in row))
    return drawn


def markdown(
    header: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    bold: Container[tuple[int, int]] = (),
) -> str:
    """The same table in markdown; what is markup within a cell is shown, not followed.

    Cells (row, column) of ``bold`` are in bold.
    """

    def line(cells: Iterable[str], row: int = -1) -> str:
        shown = (plain(cell).replace("|", "\\|") for cell in cells)
        strong = (f"**{one}**" if (row, n) in bold else one for n, one in enumerate(shown))
        return "| " + " | ".join(strong) + " |"

    body = [line((written(cell) for cell in row), place) for place, row in enumerate(rows)]
    return "\n".join([line(header), line("---" for _ in header), *body])


def plain(text: str) -> str:
    """Text on one line of markdown that shows it: no image is loaded, nothing is a link or HTML."""

    def escaped(found: re.Match[str]) -> str:
        return {"<": "&lt;", "&": "&amp;"}.get(found[0], f"\\{found[0]}")

    return MARKUP.sub(escaped, one_line(text))


def written(cell: Cell) -> str:
    """1234 as 1,234 and 0.12345 as 0.12."""
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}"


def score_rows(scores: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Name, score and signature of each metric of `Scores`; the header is SCORES."""
    return [(name, scores[name], signature) for name, signature in scores["signatures"].items()]


SCORES = ("metric", "score", "signature")


def sample_rows(
    numbers: Sequence[int],
    sources: Sequence[str],
    translations: Sequence[str],
    references: Sequence[str],
) -> list[tuple[str, str, str]]:
    """Three lines per sentence, to be compared word by word; the header is SAMPLES."""
    rows: list[tuple[str, str, str]] = []
    for number, *sides in zip(numbers, sources, translations, references, strict=True):
        source, translation, reference = map(shown, sides)
        rows += [
            (str(number), "source", source),
            ("", "translation", translation),
            ("", "reference", reference),
        ]
    return rows


def shown(line: str) -> str:
    """A line as people are shown it: no control characters, not endless."""
    return shortened(one_line(line), SHOWN)


SAMPLES = ("sentence", "", "text")
