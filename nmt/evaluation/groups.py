"""Reads texts to score, line by line: pairs, or lists of candidates."""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from nmt.data.compressed import decompressed, opened
from nmt.data.lines import Counted, decoded, require_readable
from nmt.data.text import shortened
from nmt.errors import UserError

MOSES = " ||| "  # between the columns of an n-best list of Moses, Marian and Sockeye


class Group(NamedTuple):
    """A source and the targets that are scored for it."""

    line: int  # of the source, from 1
    source: str
    targets: list[str]


def text_lines(path: str | None) -> Iterator[str]:
    """Yield the lines of a file, which may be a pipe; None: of standard input.

    UserError, with the line, for what is not UTF-8, and for an empty file.
    """
    if path is None:
        with decompressed(sys.stdin.buffer, "standard input") as file:
            yield from decoded(file, "standard input")
    else:
        require_readable(Path(path))
        with opened(Path(path)) as file:
            yield from decoded(file, path)


def read_pairs(source: str, target: str) -> Iterator[Group]:
    """Read two files whose lines n belong together. UserError where one has more lines."""
    sides = [Counted(text_lines(path)) for path in (source, target)]
    for line, (one, other) in enumerate(zip(*sides, strict=False), start=1):
        yield Group(line, one, [other])
    sizes = [side.number + sum(1 for _ in side.lines) for side in sides]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{source} has {sizes[0]:,} lines and {target} has {sizes[1]:,}: line n of both must "
            "belong together"
        )


def read_columns(path: str | None, least: int, most: int | None, what: str) -> Iterator[Group]:
    """Read lines of a source and its targets, between tabs. UserError for too few or too many."""
    name = path or "standard input"
    for line, text in enumerate(text_lines(path), start=1):
        source, *targets = text.split("\t")
        if len(targets) < least or (most is not None and len(targets) > most):
            columns = "1 column" if not targets else f"{len(targets) + 1} columns"
            raise UserError(
                f"{name}, line {line:,} has {columns} between tabs: it must have {what}"
            )
        yield Group(line, source, targets)


def read_tabs(path: str | None) -> Iterator[Group]:
    """Read lines of source and target, between tabs; None: of standard input."""
    return read_columns(path, 1, 1, "two, source and target")


def read_candidates(source: str, path: str) -> Iterator[Group]:
    """Read the n-best list of each line of ``source``.

    A line of the list has, between tabs, the number of the source line (from 1), rank, score and
    text, as `nmt translate n_best=` writes it; or number (from 0), text and more between ``|||``,
    Moses' format. Numbers must not fall; a source line without candidates is left out. UserError,
    with the line, for any other line.
    """
    sources = enumerate(text_lines(source), start=1)
    number, text = 0, ""
    for wanted, rows in groupby(numbered(path), key=itemgetter(0)):
        while number < wanted:
            number, text = next(sources, (0, ""))
            if not number:
                raise UserError(
                    f"{path} has candidates for line {wanted:,}, and {source} ends before it"
                )
        if number > wanted:
            raise UserError(f"{path}: line {wanted:,} of the source comes after line {number:,}")
        yield Group(number, text, [candidate for _, candidate in rows])


def numbered(path: str) -> Iterator[tuple[int, str]]:
    """Yield the number of the source line, from 1, and the text of each candidate."""
    for line, row in enumerate(text_lines(path), start=1):
        moses = MOSES in row
        columns = row.split(MOSES) if moses else row.split("\t", 3)
        number = columns[0].strip()
        if not (number.isdecimal() and (moses or (len(columns) == 4 and int(number)))):
            raise UserError(
                f"{path}, line {line:,} is not a line of an n-best list: {shortened(row, 50)!r}. "
                "It must be number, rank, score and text between tabs, as `nmt translate n_best=5` "
                "writes them, or Moses' format, number ||| text ||| …"
            )
        yield int(number) + moses, columns[1].strip() if moses else columns[3]


def blocks(groups: Iterable[Group], most: int) -> Iterator[list[Group]]:
    """Cut groups into lists with at least ``most`` targets, but for the last."""
    held: list[Group] = []
    num = 0
    for group in groups:
        held.append(group)
        num += len(group.targets)
        if num >= most:
            yield held
            held, num = [], 0
    if held:
        yield held
