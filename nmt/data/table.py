"""Tables of sentence pairs: TSV, CSV, JSONL, Parquet."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from datasets import Dataset

from nmt.data.compressed import COMPRESSED
from nmt.data.corpus import BLOCK, spooled, text_table, texts
from nmt.data.lines import strict_lines
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


def read_table(path: Path, columns: Columns, scratch: Path) -> Dataset:
    """Two columns of a table, its format told by the name's ending. UserError for any other.

    They are put into a file in the folder `scratch`.
    """
    name = path.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if name.endswith(".parquet"):
        return spooled(_parquet(path, columns), scratch)
    if name.endswith((".jsonl", ".json")):
        return spooled(_side_by_side(_jsonl(path), columns, path), scratch)
    if name.endswith(".tsv"):
        # As in every parallel corpus quotes are plain text here: only tabs separate.
        rows = (line.split("\t") for line in strict_lines(path))
        return spooled(_delimited(rows, columns, path), scratch)
    if name.endswith(".csv"):
        return spooled(_delimited(_csv(path), columns, path), scratch)
    raise UserError(
        f"{path}: a single file must be .tsv, .csv, .jsonl or .parquet; "
        "of plain text give both sides: [SOURCE,TARGET]"
    )


def _parquet(path: Path, columns: Columns) -> Iterator[tuple[str, str]]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = columns.find(file.schema_arrow.names, str(path))
            _require_text(names, file.schema_arrow, path)
            if not file.metadata.num_rows:
                raise UserError(f"{path} is empty")
            for batch in file.iter_batches(BLOCK, columns=list(names)):
                batch.validate(full=True)  # that the text is UTF-8, too
                table = pa.Table.from_batches([batch])
                yield from zip(*texts(text_table(*map(table.column, names))), strict=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _require_text(names: Iterable[str], schema: pa.Schema, path: Path) -> None:
    for name in names:
        kind = schema.field(name).type
        if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
            raise UserError(f"{path}: column '{name}' is no text but {kind}")


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(strict_lines(path), 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # numbers and nesting without end, too
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise UserError(f"{path}, line {number}: no JSON ({reason})") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}, line {number}: not an object with named columns")
        yield record


def _csv(path: Path) -> Iterator[list[str]]:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader((f"{line}\n" for line in strict_lines(path)), strict=True)
    try:
        yield from rows
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: no CSV ({error})") from None


def _delimited(
    rows: Iterator[list[str]], columns: Columns, path: Path
) -> Iterator[tuple[str, str]]:
    first = next(rows)
    names = first if columns.header(first) else ["source", "target"]
    body = rows if columns.header(first) else chain([first], rows)
    start = 2 if columns.header(first) else 1

    def records() -> Iterator[dict[str, str]]:
        for number, row in enumerate(body, start):
            if len(row) < len(names):
                raise UserError(
                    f"{path}, row {number}: {len(row)} column{'s' * (len(row) != 1)} "
                    f"where {len(names)} are needed"
                )
            yield dict(zip(names, row, strict=False))

    found = _side_by_side(records(), columns, path)
    try:
        yield next(found)
    except StopIteration:
        raise UserError(f"{path} is empty but for its header") from None
    yield from found


def _side_by_side(
    records: Iterable[dict[str, Any]], columns: Columns, path: Path
) -> Iterator[tuple[str, str]]:
    for number, record in enumerate(records, 1):
        names = columns.find(list(record), f"{path}, record {number}")
        for name in names:
            if not isinstance(record[name], str):
                raise UserError(f"{path}, record {number}: column '{name}' is no text")
            if SURROGATE.search(record[name]):
                raise UserError(
                    f"{path}, record {number}: column '{name}' has half of a character "
                    "(a surrogate without its other half)"
                )
        yield record[names[0]], record[names[1]]
