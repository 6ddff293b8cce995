"""What translations begin with: `nmt translate prefix=`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from nmt.data.lines import Repaired, require_readable, stream_lines
from nmt.errors import UserError

COLUMN = "column"


class Prefixed(NamedTuple):
    """A line to translate, and what its translation begins with: empty for anything."""

    text: str
    prefix: str


def prefix_file(prefix: str | None) -> str | None:
    """Return the file that ``prefix=`` names; None: there is none."""
    return None if prefix == COLUMN else prefix


def with_prefixes(lines: Iterable[str], prefix: str | None, text: str | None) -> Iterator[Prefixed]:
    """Return lines with their prefixes, read as they are asked for.

    ``prefix`` is a file, ``column``: a line holds its prefix behind a tab, or None; ``text`` is the
    file of the lines, None for standard input. UserError for a file that has another number of
    lines: at once where both are regular files, else when the shorter one ends.
    """
    if prefix is None:
        return (Prefixed(line, "") for line in lines)
    if prefix == COLUMN:
        return columns(lines)
    place = Path(prefix)
    require_readable(place)
    if text and Path(text).is_file() and place.is_file():
        sizes = [sum(1 for _ in stream_lines(Path(one))) for one in (text, prefix)]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"{prefix} has {sizes[1]:,} lines and {text} has {sizes[0]:,}: give a prefix for "
                "each line, or an empty line"
            )
    return beside(lines, readable(place), prefix)


def readable(place: Path) -> Iterator[str]:
    """Yield the lines of a file. UserError, with its line, for what is not UTF-8."""
    lines = Repaired(stream_lines(place))
    for line in lines:
        if lines.num_broken:
            raise UserError(
                f"{place}, line {lines.first_broken:,}: invalid UTF-8; convert the file first, for "
                "instance with iconv"
            )
        yield line


def columns(lines: Iterable[str]) -> Iterator[Prefixed]:
    """Yield the columns of lines. UserError, with its line, for more than two."""
    for number, line in enumerate(lines, start=1):
        text, _, prefix = line.partition("\t")
        if "\t" in prefix:
            raise UserError(
                f"line {number:,} has more than one tab: prefix=column reads a text, a tab and its "
                "prefix"
            )
        yield Prefixed(text, prefix)


def beside(lines: Iterable[str], prefixes: Iterable[str], name: str) -> Iterator[Prefixed]:
    """Yield lines with prefixes from the file ``name``. UserError where it has more or fewer."""
    begun = iter(prefixes)
    number = 0
    for number, line in enumerate(lines, start=1):
        prefix = next(begun, None)
        if prefix is None:
            raise UserError(
                f"{name} has {number - 1:,} lines, and the text has more: give a prefix for each "
                "line, or an empty line"
            )
        yield Prefixed(line, prefix)
    if next(begun, None) is not None:
        raise UserError(
            f"{name} has more lines than the text, which has {number:,}: give a prefix for each "
            "line of the text"
        )
