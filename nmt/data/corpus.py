"""A corpus: sentence pairs in three splits, whatever they come from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import datasets
import pyarrow as pa
import pyarrow.compute
from datasets import Dataset, DatasetDict, Features, Value

from nmt.data.cache import cached, code_digest, digest
from nmt.errors import UserError

datasets.disable_progress_bars()

PAIR = Features({"source": Value("string"), "target": Value("string")})


class Splits(NamedTuple):
    """Datasets with the string columns `source` and `target`; None: there is no such split."""

    train: Dataset | None = None
    dev: Dataset | None = None
    test: Dataset | None = None


class Lines(NamedTuple):
    """A split as text: line n of `target` translates line n of `source`."""

    source: list[str]
    target: list[str]


@dataclass
class Corpus(ABC):
    """Where sentence pairs come from. The fields of a kind are its keys in the configuration."""

    source: str  # language codes: de, en, ja …
    target: str

    @abstractmethod
    def content(self) -> object:
        """All that decides what `read` gives (digests of files, options), as json can write it."""

    @abstractmethod
    def read(self) -> Splits:
        """Reads everything anew. Raises UserError where that cannot be done."""

    def key(self) -> str:
        """The corpus's name in the cache."""
        kind = type(self).__qualname__
        return digest(kind, self.source, self.target, self.content(), code_digest())

    def load(self, cache: Path) -> Splits:
        """The splits, memory-mapped from `cache`, where they are put if they are not there yet."""
        folder = cached(cache / "corpora" / self.key(), self._write)
        found = datasets.load_from_disk(str(folder))
        assert isinstance(found, DatasetDict)
        return Splits(**found)

    def lines(self, cache: Path, split: str = "test") -> Lines:
        """The raw text of one split, for evaluation. UserError where there is no such split."""
        splits = self.load(cache)._asdict()
        dataset = splits.get(split)
        if dataset is None:
            present = ", ".join(name for name, data in splits.items() if data is not None)
            raise UserError(f"the corpus has no split {split!r}; it has {present}")
        return Lines(list(dataset["source"]), list(dataset["target"]))

    def _write(self, folder: Path) -> None:
        splits = self.read()._asdict()
        present = {name: split for name, split in splits.items() if split is not None}
        DatasetDict(present).save_to_disk(str(folder))


def pairs(source: Sequence[str], target: Sequence[str]) -> Dataset:
    """Lines side by side as a dataset in memory."""
    return Dataset.from_dict({"source": source, "target": target}, features=PAIR)


def arrow_pairs(source: pa.ChunkedArray, target: pa.ChunkedArray) -> Dataset:
    """Two Arrow columns side by side, uncopied where they have no nulls; these become empty lines."""
    columns = [
        column.cast(pa.string()) if not column.null_count else pa.compute.fill_null(column, "")
        for column in (source, target)
    ]
    return Dataset(pa.table(columns, schema=PAIR.arrow_schema))
