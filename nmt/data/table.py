"""Tables of sentence pairs: TSV, CSV, JSONL, Parquet."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from datasets import Dataset

from nmt.data.corpus import arrow_pairs, pairs
from nmt.data.lines import COMPRESSED, read_lines
from nmt.errors import UserError

SURROGATE = re.compile(r"[\ud800-\udfff]")  # \u escapes of JSON can name them


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold the two sides: by name where named, else by usual names."""

    source_language: str
    target_language: str
    source: str | None = None
    target: str | None = None

    def find(self, present: Sequence[str], where: str) -> tuple[str, str]:
        """The names of both columns among those `present` in `where`. UserError where none fits."""
        source = self._pick("source", present, self.source, self.source_language, where)
        return source, self._pick("target", present, self.target, self.target_language, where)

    def header(self, row: Sequence[str]) -> bool:
        """Whether the first row of a table of text names columns rather than being a pair."""
        if self.source or self.target:
            return True
        return {"source", "target"} <= set(row) or {
            self.source_language,
            self.target_language,
        } <= set(row)

    @staticmethod
    def _pick(
        side: str, present: Sequence[str], named: str | None, language: str, where: str
    ) -> str:
        for name in [named] if named else [side, language]:
            if name in present:
                return name
        wanted = named or f"{side}' or '{language}"
        raise UserError(
            f"{where} has no column '{wanted}': data.{side}_column= one of {', '.join(present)}"
        )


def read_table(path: Path, columns: Columns) -> Dataset:
    """Two columns of a table, its format told by the name's ending. UserError for any other."""
    name = path.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if name.endswith(".parquet"):
        return _parquet(path, columns)
    if name.endswith((".jsonl", ".json")):
        return _side_by_side(_jsonl(path), columns, path)
    if name.endswith(".tsv"):
        # As in every parallel corpus quotes are plain text here: only tabs separate.
        return _delimited([line.split("\t") for line in read_lines(path)], columns, path)
    if name.endswith(".csv"):
        return _delimited(_csv(path), columns, path)
    raise UserError(
        f"{path}: a single file must be .tsv, .csv, .jsonl or .parquet; "
        "of plain text give both sides: [SOURCE,TARGET]"
    )


def _parquet(path: Path, columns: Columns) -> Dataset:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = columns.find(file.schema_arrow.names, str(path))
            table = file.read(columns=list(names))
        table.validate(full=True)  # that the text is UTF-8, too
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not len(table):
        raise UserError(f"{path} is empty")
    for name in names:
        if not pa.types.is_string(table[name].type) and not pa.types.is_large_string(
            table[name].type
        ):
            raise UserError(f"{path}: column '{name}' is no text but {table[name].type}")
    return arrow_pairs(table[names[0]], table[names[1]])


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # numbers and nesting without end, too
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{path}, line {number}: no JSON ({reason})") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}, line {number}: not an object with named columns")
        yield record


def _csv(path: Path) -> list[list[str]]:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader((f"{line}\n" for line in read_lines(path)), strict=True)
    try:
        return list(rows)
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: no CSV ({error})") from None


def _delimited(rows: list[list[str]], columns: Columns, path: Path) -> Dataset:
    names = rows[0] if columns.header(rows[0]) else ["source", "target"]
    body = rows[1:] if columns.header(rows[0]) else rows
    first = len(rows) - len(body) + 1
    if not body:
        raise UserError(f"{path} is empty but for its header")
    for number, row in enumerate(body, first):
        if len(row) < len(names):
            raise UserError(
                f"{path}, row {number}: {len(row)} column{'s' * (len(row) != 1)} "
                f"where {len(names)} are needed"
            )
    records = (dict(zip(names, row, strict=False)) for row in body)
    return _side_by_side(records, columns, path)


def _side_by_side(records: Iterable[dict[str, Any]], columns: Columns, path: Path) -> Dataset:
    sources: list[str] = []
    targets: list[str] = []
    for number, record in enumerate(records, 1):
        source, target = columns.find(list(record), f"{path}, record {number}")
        for name, side in ((source, sources), (target, targets)):
            if not isinstance(record[name], str):
                raise UserError(f"{path}, record {number}: column '{name}' is no text")
            if SURROGATE.search(record[name]):
                raise UserError(
                    f"{path}, record {number}: column '{name}' has half of a character "
                    "(a surrogate without its other half)"
                )
            side.append(record[name])
    return pairs(sources, targets)
