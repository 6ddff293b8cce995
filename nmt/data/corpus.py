"""A corpus: sentence pairs in three splits, from any source."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import MappingProxyType
from typing import NamedTuple, Self, cast

import datasets
import numpy as np
import pyarrow as pa
from datasets import Dataset, Features, Value
from pyarrow.compute import fill_null  # pyright: ignore[reportAttributeAccessIssue]

from nmt.data.arrow import write_arrow
from nmt.data.cache import cached, code_digest, digest, file_digest
from nmt.data.digests import kept_digest
from nmt.data.text import Text, shortened
from nmt.errors import UserError

datasets.disable_progress_bars()

BLOCK = 10_000
# Most characters of a line of dev and test: longer ones are not sentences, and neither
# TER nor a forward over it comes to an end.
LONGEST = 10_000
PAIR = Features({"source": Value("string"), "target": Value("string")})


class Splits(NamedTuple):
    """Datasets with the string columns `source` and `target`; None: there is no such split."""

    train: Dataset | None = None
    dev: Dataset | None = None
    test: Dataset | None = None

    def present(self) -> dict[str, Dataset]:
        """The splits that there are, by name."""
        return {name: split for name, split in self._asdict().items() if split is not None}

    def check(self) -> None:
        """UserError for a line of dev or test with more than LONGEST characters."""
        for name in self.present().keys() - {"train"}:
            for number, pair in enumerate(lines_of(self.present()[name]), start=1):
                longest = max(pair, key=len)
                if len(longest) > LONGEST:
                    raise UserError(
                        f"{name}, line {number:,} has {len(longest):,} characters, but a "
                        f"sentence of dev or test may have at most {LONGEST:,}: split it on "
                        "both sides, or remove the pair. It begins: "
                        f"{shortened(longest.strip(), 50)}"
                    )

    def save(self, folder: Path) -> None:
        """Writes them as Arrow files, block by block."""
        for name, split in self.present().items():
            write_arrow(folder / f"{name}.arrow", split.features.arrow_schema, tables(split))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, memory-mapped."""
        paths = {name: folder / f"{name}.arrow" for name in cls._fields}
        return cls(**{name: Dataset.from_file(str(p)) for name, p in paths.items() if p.is_file()})


class Lines(NamedTuple):
    """A split as text: line n of `target` translates line n of `source`.

    With several pairs of languages, `pairs` says which lines belong to each.
    """

    source: list[str]
    target: list[str]
    pairs: Mapping[str, range] = MappingProxyType({})  # by names such as de-en


@dataclass
class Corpus(ABC):
    """Where sentence pairs come from. The fields of a kind are its keys in the configuration."""

    source: str  # language codes: de, jpn, zho_Hans …; see nmt.data.language
    target: str  # language code

    def __post_init__(self) -> None:
        """Raise UserError for a text that YAML took for a boolean, such as `source: no`."""
        for key in fields(self):
            value = getattr(self, key.name)
            if value in ("True", "False"):  # as text: OmegaConf has converted it
                raise UserError(
                    f"data.{key.name}={value}: YAML reads no, yes, on and off as false or true. "
                    f'Put the text in quotes, as in {key.name}: "no"'
                )

    @abstractmethod
    def content(self) -> object:
        """Everything but `paths` that decides what `read` returns, as json can write it."""

    def paths(self) -> list[Path]:
        """The files that `read` reads. UserError where one is missing."""
        return []

    @abstractmethod
    def read(self, scratch: Path) -> Splits:
        """Reads everything again. Raises UserError where that is not possible.

        Large data go to files in the folder `scratch` instead of into memory (`spooled`).
        """

    def symbols(self) -> list[str]:
        """Texts at the beginning of sources, each of which has to be one piece."""
        return []

    def places(self, cache: Path, split: str) -> dict[str, range]:
        """Which lines of a split belong to each pair of languages; empty: there is one pair."""
        return {}

    def key(self, cache: Path) -> str:
        """The corpus's name in `cache`."""
        kind, content = type(self).__qualname__, self.content()
        files = self.paths()
        for path in files:
            if path not in self._digests:
                self._digests[path] = kept_digest(path, cache)
        seen = [(path.name, self._digests[path]) for path in files]
        return digest(kind, self.source, self.target, content, seen, code_digest())

    @cached_property
    def _digests(self) -> dict[Path, str]:
        """The files as they were when they were first read: the key stands for these."""
        return {}

    def load(self, cache: Path) -> Splits:
        """The splits, memory-mapped from `cache`; they are written there if they are missing.

        UserError, and nothing in the cache, for a file that changes meanwhile and for a line of dev
        or test that is too long for a sentence.
        """

        def build(partial: Path) -> None:
            with TemporaryDirectory(dir=partial) as scratch:
                splits = self.read(Path(scratch))
                for path, before in self._digests.items():
                    if file_digest(path) != before:
                        raise UserError(
                            f"{path} changed while it was being read: start again once nothing "
                            "writes to it"
                        )
                splits.check()
                splits.save(partial)

        return Splits.load(cached(cache / "corpora" / self.key(cache), build))

    def lines(self, cache: Path, split: str = "test") -> Lines:
        """The raw text of one split, for evaluation. UserError where there is no such split."""
        splits = self.load(cache).present()
        if split not in splits:
            raise UserError(f"the corpus has no split {split!r}: choose one of {', '.join(splits)}")
        sides = list(splits[split]["source"]), list(splits[split]["target"])
        return Lines(*sides, self.places(cache, split))


def lines_of(split: Dataset) -> Iterator[tuple[str, str]]:
    """The pairs of a split one by one."""
    for table in tables(split):
        yield from zip(*texts(table), strict=True)


def spooled(rows: Iterable[tuple[str, str]], scratch: Path) -> Dataset:
    """Turn an iterator of pairs into a dataset, in a file of its own in the folder `scratch`."""
    path = Path(mkdtemp(dir=scratch)) / "pairs.arrow"
    return write_arrow(path, PAIR.arrow_schema, in_tables(rows, PAIR.arrow_schema))


def in_tables(rows: Iterable[tuple[str, str]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Turn an iterator of pairs into tables of ten thousand, whose two columns `schema` names."""
    rows = iter(rows)
    for block in iter(lambda: list(islice(rows, BLOCK)), []):
        yield pa.table(list(map(list, zip(*block, strict=True))), schema=schema)


def pairs(source: Sequence[str], target: Sequence[str]) -> Dataset:
    """Lines side by side as a dataset in memory."""
    return Dataset.from_dict({"source": source, "target": target}, features=PAIR)


def text_table(source: pa.ChunkedArray, target: pa.ChunkedArray) -> pa.Table:
    """Two Arrow columns of text side by side, not copied. null becomes an empty line."""
    columns = [column.cast(pa.string()) for column in (source, target)]
    filled = [fill_null(column, "") if column.null_count else column for column in columns]
    return pa.table(filled, schema=PAIR.arrow_schema)


def arrow_table(split: Dataset) -> pa.Table:
    """All rows of a dataset as an Arrow table."""
    return cast(pa.Table, split.with_format("arrow")[:])


def tables(split: Dataset) -> Iterator[pa.Table]:
    """A dataset as Arrow tables of ten thousand rows."""
    return cast(Iterator[pa.Table], split.with_format("arrow").iter(BLOCK))


def chosen(split: Dataset, rows: np.ndarray) -> Iterator[pa.Table]:
    """Some rows of a dataset, by their sorted numbers, ten thousand rows at a time."""
    start = 0
    for table in tables(split):
        yield table.take(of_block(rows, start, len(table)))
        start += len(table)


def of_block(rows: np.ndarray, start: int, size: int) -> np.ndarray:
    """Those of some sorted numbers that fall into a block of rows, counted from its first row."""
    first, last = np.searchsorted(rows, (start, start + size))
    return rows[first:last] - start


def texts(table: pa.Table) -> Text:
    """The lines of both sides of a table."""
    return table["source"].to_pylist(), table["target"].to_pylist()
