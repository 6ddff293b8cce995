"""Where the program speaks to a person: nothing from outside moves the cursor or changes colours.

Names of files, keys, settings, sentences and messages come from corpora and run folders of anyone.
What a terminal would obey (ESC, CSI, a carriage return, a bell) is a space when it is shown.
"""

import logging
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from nmt.data.text import one_line

WIDTH = 120  # of tables in a file or a pipe, where no terminal says how wide it is


class PlainConsole(Console):
    """Rich's console, whose own codes are the only ones that reach the terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, with printable text."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def console(quiet: bool = False) -> Console:
    """Return a console on standard error; lines of text are never cut, tables fit its width."""
    width = None if sys.stderr.isatty() else WIDTH
    return PlainConsole(file=sys.stderr, width=width, highlight=False, soft_wrap=True, quiet=quiet)


def tell(message: str, speaker: str = "nmt") -> None:
    """Say one thing: what went wrong, or what was done that was not typed."""
    print(printable(f"{speaker}: {message}"), file=sys.stderr)


def printable(text: str) -> str:
    r"""Return text that a terminal shows and does not obey; \n alone ends a line."""
    return "\n".join(map(one_line, text.split("\n")))


class PrintableFormatter(logging.Formatter):
    """Warnings of loggers, without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message."""
        return printable(super().format(record))


def clean_warnings() -> None:
    """Have warnings for which no logger is set up, which are shown as they are, be printable."""
    if logging.lastResort:
        logging.lastResort.setFormatter(PrintableFormatter())
