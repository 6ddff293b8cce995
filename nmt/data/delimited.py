"""Sentence pairs in columns: TSV and CSV."""

import csv
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain

from nmt.data.columns import Columns
from nmt.data.lines import without_blank_end
from nmt.data.text import one_line, shortened
from nmt.errors import UserError

SHOWN = 40  # characters of a cell in a message

log = logging.getLogger(__name__)


def tab_pairs(lines: Iterable[str], columns: Columns, where: str) -> Iterator[tuple[str, str]]:
    """The pairs of a TSV. As in every parallel corpus quotes are plain text: only tabs separate."""
    rows = (line.split("\t") for line in without_blank_end(lines))
    return _pairs(rows, columns, where, "a tab separates columns and cannot be in a text")


def comma_pairs(
    lines: Iterable[str], columns: Columns, where: str, separator: str = ","
) -> Iterator[tuple[str, str]]:
    """The pairs of a CSV, quoted as usual."""
    rows = _csv(without_blank_end(lines), where, separator)
    return _pairs(rows, columns, where, f"text that contains {separator!r} must be in quotes")


def _csv(lines: Iterable[str], where: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    try:
        yield from rows
    except csv.Error as error:
        raise UserError(f"{where}, line {rows.line_num} is not CSV ({error})") from None


def _pairs(
    rows: Iterator[list[str]], columns: Columns, where: str, hint: str
) -> Iterator[tuple[str, str]]:
    """The cells of both columns. UserError for a row with more or fewer cells than the first."""
    first = next(rows)
    header = columns.header(first)
    if header:
        source, target = map(first.index, columns.find(first, where))
    else:
        source, target = _numbers(first, columns, where)
        rows = chain([first], rows)
    number = before = int(header)
    for number, row in enumerate(rows, before + 1):
        if len(row) != len(first):
            told = f"{where}, row {number}: {_columns(row)}, but {len(first)} are needed"
            raise UserError(f"{told}: {hint}" if len(row) > len(first) else told)
        yield row[source], row[target]
    if header and number == 1:
        raise UserError(f"{where} has nothing but a header")


def _numbers(first: list[str], columns: Columns, where: str) -> tuple[int, int]:
    """The numbers of both columns if the first row is not a header; that is reported."""
    if len(first) < 2:
        raise UserError(f"{where}, row 1: {_columns(first)}, but 2 are needed")
    if len(first) > 2 and not (columns.source and columns.target):
        cells = ", ".join(_shown(cell) for cell in first)
        raise UserError(
            f"{where} has {_columns(first)}, but its first row does not name both sides: "
            f"{cells}. Set data.source_column= and data.target_column= to a name there or a "
            "number from 1"
        )
    names = [str(number) for number in range(1, len(first) + 1)]
    chosen = replace(columns, source=columns.source or "1", target=columns.target or "2")
    source, target = map(names.index, chosen.find(names, where))
    _say_once(
        f"{where} has no header: column {source + 1} is source ({columns.source_language}), "
        f"column {target + 1} is target ({columns.target_language}). "
        f"First pair: {_shown(first[source])} | {_shown(first[target])}"
    )
    return source, target


@cache
def _say_once(message: str) -> None:
    """Report only once, because a stream reads a file in every epoch."""
    log.warning("%s", message)


def _columns(row: list[str]) -> str:
    return f"{len(row)} column{'s' * (len(row) != 1)}"


def _shown(cell: str) -> str:
    return shortened(one_line(cell.strip()), SHOWN)
