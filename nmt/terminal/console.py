"""Where the program speaks to a person: nothing from outside moves the cursor or changes colours.

Names of files, keys, settings, sentences and messages come from corpora and run folders of anyone.
What a terminal would obey (ESC, CSI, a carriage return, a bell) is a space when it is shown.
"""

import errno
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from nmt.data.text import one_line

WIDTH = 120  # of tables in a file or a pipe, where no terminal says how wide it is
GONE = (errno.EIO, errno.EPIPE)  # what a closed terminal says, and a pipe that nobody reads


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
    return PlainConsole(
        file=lasting(sys.stderr), width=width, highlight=False, soft_wrap=True, quiet=quiet
    )


def tell(message: str, speaker: str = "nmt") -> None:
    """Say one thing: what went wrong, or what was done that was not typed."""
    print(printable(f"{speaker}: {message}"), file=lasting(sys.stderr))


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


def lasting(stream: TextIO) -> TextIO:
    """Return a stream that a program may outlive, see :class:`Lasting`."""
    return cast(TextIO, Lasting(stream))


class Lasting:
    """A stream that a program may outlive: once nobody can read it, what is written is lost.

    Nothing else is: the terminal of a training may be closed, or Ctrl-C end the ``tee`` behind it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        """Be as the stream is in all other ways."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text, or nothing where nobody can read it."""
        with self._lost_where_gone():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what was held back."""
        with self._lost_where_gone():
            self.stream.flush()

    @contextmanager
    def _lost_where_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in GONE:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
