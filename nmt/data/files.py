"""A user's own parallel text: two plain files a split, or a table (TSV, CSV, JSONL, Parquet)."""

import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import zstandard
from datasets import Dataset

from nmt.data.cache import file_digest
from nmt.data.corpus import Corpus, Splits, arrow_pairs, pairs
from nmt.errors import UserError

COMPRESSED = (".gz", ".xz", ".zst")


@dataclass
class Files(Corpus):
    """A split is [source file, target file] or [table]; any file may be .gz, .xz or .zst."""

    train: list[str] | None = None
    dev: list[str] | None = None  # None: cut from train
    test: list[str] | None = None  # None: cut from train
    source_column: str | None = None  # of tables; None: `source`, or the language's code
    target_column: str | None = None  # likewise `target`; the first two of a table without header
    dev_size: int = 1000  # lines to cut where dev is not given
    test_size: int = 1000
    split_seed: int = 1

    def content(self) -> object:
        named = {"train": self.train, "dev": self.dev, "test": self.test}
        files = {split: self._paths(split, paths) for split, paths in named.items() if paths}
        if not files:
            raise UserError(
                "data=files needs data.train=[SOURCE,TARGET] or data.train=[TABLE] "
                "(for evaluation alone data.test=…)"
            )
        digests = {
            split: [(path.name, file_digest(path)) for path in paths]
            for split, paths in files.items()
        }
        cut = self.dev_size, self.test_size, self.split_seed
        return [digests, self.source_column, self.target_column, cut]

    def read(self) -> Splits:
        train, dev, test = (
            self._read(paths) if paths else None for paths in (self.train, self.dev, self.test)
        )
        if train is None:
            return Splits(None, dev, test)
        if dev is None and self.dev_size:
            train, dev = self._cut("dev", train, self.dev_size)
        if test is None and self.test_size:
            train, test = self._cut("test", train, self.test_size)
        return Splits(train, dev, test)

    def _paths(self, split: str, paths: list[str]) -> list[Path]:
        if len(paths) > 2:
            raise UserError(
                f"data.{split} has {len(paths)} files: give [SOURCE,TARGET] or one table"
            )
        found = [Path(path).expanduser() for path in paths]
        for path in found:
            require_file(path)
        return found

    def _read(self, paths: list[str]) -> Dataset:
        first, *second = (Path(path).expanduser() for path in paths)
        if second:
            return read_pair(first, second[0])
        wanted = Columns(self.source, self.target, self.source_column, self.target_column)
        return read_table(first, wanted)

    def _cut(self, split: str, train: Dataset, size: int) -> tuple[Dataset, Dataset]:
        if size >= len(train):
            raise UserError(
                f"data.{split}_size={size}: train has {len(train):,} pairs; "
                f"lower it or give data.{split}"
            )
        parts = train.train_test_split(test_size=size, seed=self.split_seed)
        return parts["train"], parts["test"]


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


def require_file(path: Path) -> None:
    """UserError where `path` is no file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")


def read_pair(source: Path, target: Path) -> Dataset:
    """Two files of which line n translate each other. UserError where they are not as long."""
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources):,} lines and {target} has {len(targets):,}: "
            "both sides of a corpus must have the same number"
        )
    return pairs(sources, targets)


def read_lines(path: Path) -> list[str]:
    r"""The lines of a UTF-8 file, plain or compressed, split at \n alone.

    CRLF and a byte-order mark are taken off; U+2028 and its like are no line ends. UserError for a
    file that is missing, empty, damaged, or (with the line) not UTF-8.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: invalid UTF-8 ({error.reason}); "
            "convert the file first, for instance with iconv"
        ) from None
    if not text.strip():
        raise UserError(f"{path} is empty")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def read_bytes(path: Path) -> bytes:
    """What a file holds once decompressed. UserError where it is missing or damaged."""
    require_file(path)
    decompress = {".gz": gzip.decompress, ".xz": lzma.decompress, ".zst": _unzstd}
    try:
        content = path.read_bytes()
        return decompress[path.suffix](content) if path.suffix in decompress else content
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _unzstd(data: bytes) -> bytes:
    """All frames of a .zst file, as gzip and lzma decompress all of theirs."""
    frames: list[bytes] = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("the file ends too early")
        data = frame.unused_data
    return b"".join(frames)


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
        table = pyarrow.parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not len(table):
        raise UserError(f"{path} is empty")
    names = columns.find(table.column_names, str(path))
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
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: no JSON ({error.msg})") from None
        if not isinstance(record, dict):
            raise UserError(f"{path}, line {number}: not an object with named columns")
        yield record


def _csv(path: Path) -> list[list[str]]:
    try:
        return list(csv.reader((f"{line}\n" for line in read_lines(path)), strict=True))
    except csv.Error as error:
        raise UserError(f"{path}: no CSV ({error})") from None


def _delimited(rows: list[list[str]], columns: Columns, path: Path) -> Dataset:
    names = rows[0] if columns.header(rows[0]) else ["source", "target"]
    body = rows[1:] if columns.header(rows[0]) else rows
    first = len(rows) - len(body) + 1
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
            side.append(record[name])
    return pairs(sources, targets)
