"""Where the program speaks to a person: standard error."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console

WIDTH = 120  # of tables in a file or a pipe, where no terminal says how wide it is
GONE = (errno.EIO, errno.EPIPE)  # what a closed terminal says, and a pipe that nobody reads


def console(quiet: bool = False) -> Console:
    """Return a console on standard error; lines of text are never cut, tables fit its width."""
    width = None if sys.stderr.isatty() else WIDTH
    file = cast(TextIO, Lasting(sys.stderr))
    return Console(file=file, width=width, highlight=False, soft_wrap=True, quiet=quiet)


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
