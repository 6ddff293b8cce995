"""The text above a picture: a heading in bold, then lines, each with its role in grey before it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console
from rich.text import Text as RichText

from nmt.data.text import shortened
from nmt.report.fonts import drawable, families, heavy
from nmt.report.palette import BEGINS, SOFT
from nmt.terminal.table import SHOWN

SIZE = 9.5  # points
LINE = 1.5 * SIZE / 72  # inches from one line to the next
CHARACTER = 0.61 * SIZE / 72  # inches of a character, at most; wide ones count twice
BOLD = 1.13  # as wide as plain text
GAP = 0.1  # inches between a role and what it is the role of

Lines = Sequence[tuple[str, str]]  # role and text, such as ("source", "Ein Hund.")


class Part(NamedTuple):
    """A piece of text and its place in the title: inches from the left and from the top."""

    text: Text
    left: float
    top: float


class Title:
    """A heading and lines that a figure has, wrapped; they are placed when its size is known."""

    def __init__(self, figure: Figure, heading: str, lines: Lines, inches: float) -> None:
        roles = [shortened(role, SHOWN) for role, text in lines if text]
        indent = max((0.85 * len(role) * CHARACTER + GAP for role in roles if role), default=0.0)
        self.figure = figure
        self.parts: list[Part] = []
        self.height = 0.0  # inches
        self.add(wrapped(heading, inches / BOLD), 0.0, bold=True)
        for role, text in lines:
            if text:
                begin = self.height
                self.add(wrapped(text, inches - indent), indent)
                before = self.write(drawable(role), SOFT, {"family": families()})
                self.parts.append(Part(before, 0.0, begin))

    def add(self, rows: Iterable[str], left: float, bold: bool = False) -> None:
        """Add rows of text below what is there."""
        for row in rows:
            font = heavy(row) if bold else {"family": families()}
            self.parts.append(Part(self.write(row, BEGINS, font), left, self.height))
            self.height += LINE

    def write(self, text: str, color: str, font: dict[str, Any]) -> Text:
        """Have the figure draw text, somewhere."""
        style = {"fontsize": SIZE, "parse_math": False, "va": "top", **font}
        return self.figure.text(0, 1, text, color=color, **style)

    def place(self, left: float, top: float) -> None:
        """Put it into the figure: inches from its left and its top."""
        width, height = self.figure.get_size_inches()
        for text, across, down in self.parts:
            text.set_position(((left + across) / width, 1 - (top + down) / height))


def wrapped(text: str, inches: float) -> list[str]:
    """Return the lines of a text, cut after SHOWN characters."""
    columns = max(1, int(inches / CHARACTER))
    found = RichText(drawable(shortened(text, SHOWN))).wrap(Console(width=columns), columns)
    return [part.plain.rstrip() for part in found] if text else []
