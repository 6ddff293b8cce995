"""A corpus: sentence pairs in three splits, whatever they come from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import datasets
from datasets import Dataset, DatasetDict, Features, Value

from nmt.data.cache import cached, digest
from nmt.errors import UserError

datasets.disable_progress_bars()

PAIR = Features({"source": Value("string"), "target": Value("string")})
SPLITS = ("train", "dev", "test")


class Splits(NamedTuple):
    """Datasets with the string columns `source` and `target`; None where a corpus has no such split."""

    train: Dataset | None
    dev: Dataset | None
    test: Dataset | None


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
    def content(self) -> str:
        """A digest of what `read` would read: it names the corpus in the cache."""

    @abstractmethod
    def read(self) -> Splits:
        """Reads everything anew. Raises UserError where that cannot be done."""

    def load(self, cache: Path) -> Splits:
        """The splits, memory-mapped from `cache`, where they are put if they are not there yet."""
        name = digest(type(self).__name__, asdict(self), self.content())
        folder = cached(cache / "corpora" / name, self._write)
        found = datasets.load_from_disk(str(folder))
        assert isinstance(found, DatasetDict)
        return Splits(*(found.get(split) for split in SPLITS))

    def _write(self, folder: Path) -> None:
        splits = self.read()._asdict()
        present = {name: split for name, split in splits.items() if split is not None}
        DatasetDict(present).save_to_disk(str(folder))

    def lines(self, cache: Path, split: str = "test") -> Lines:
        """The raw text of one split, for evaluation. UserError where the corpus has no such split."""
        splits = self.load(cache)._asdict()
        dataset = splits.get(split)
        if dataset is None:
            present = ", ".join(name for name, data in splits.items() if data is not None)
            raise UserError(f"this corpus has no split {split!r}; it has {present or 'none'}")
        return Lines(dataset["source"][:], dataset["target"][:])


def pairs(source: Sequence[str], target: Sequence[str]) -> Dataset:
    """Lines side by side as a dataset in memory."""
    return Dataset.from_dict({"source": source, "target": target}, features=PAIR)
