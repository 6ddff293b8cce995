"""Where the program speaks to a person: standard error."""

import sys

from rich.console import Console

WIDTH = 120  # of tables in a file or a pipe, where no terminal says how wide it is


def console(quiet: bool = False) -> Console:
    """Return a console on standard error; lines of text are never cut, tables fit its width."""
    width = None if sys.stderr.isatty() else WIDTH
    return Console(file=sys.stderr, width=width, highlight=False, soft_wrap=True, quiet=quiet)


def tell(message: str) -> None:
    """Say one thing: what went wrong, or what was done that was not typed."""
    print(f"nmt: {message}", file=sys.stderr)
