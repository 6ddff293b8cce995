"""A comparison on the terminal: tables that fit a hundred columns."""

import sys
from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from nmt.comparison.cells import Grid
from nmt.comparison.comparison import Comparison
from nmt.comparison.headline import headline
from nmt.comparison.tables import footnotes, grids_in_short
from nmt.terminal.console import PlainConsole

WIDTH = 100  # columns


def print_comparison(comparison: Comparison) -> None:
    """Print the tables and their notes to standard output."""
    print_grids(grids_in_short(comparison), [*footnotes(comparison), "", headline(comparison)])


def print_grids(grids: Iterable[Grid], lines: Iterable[str]) -> None:
    """Print tables with their notes, then lines, to standard output."""
    console = PlainConsole(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
    width = min(WIDTH, console.width)
    for grid in grids:
        console.print(drawn(grid), width=width)
        for line in grid.notes:
            console.print(Text(line), width=width)
        if grid.notes:
            console.print()
    for line in lines:
        console.print(Text(line), width=width)


def drawn(grid: Grid) -> Table:
    """Return a table whose first column and last column of text wrap; nothing else does."""
    table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 1, 0, 0)
    last = len(grid.header) - 1
    for place, heading in enumerate(grid.header):
        text = place < grid.text_columns
        table.add_column(
            Text(heading),
            justify="left" if text else "right",
            no_wrap=not text,
            overflow="fold",
            ratio=1 if text and place == last else None,
        )
    for place, row in enumerate(grid.rows):
        bold = ("bold" if (place, column) in grid.best else "" for column in range(len(row)))
        table.add_row(*map(Text, row, bold))
    return table
