"""A user's own parallel text: two plain files per split, or a table (TSV, CSV, JSONL, Parquet)."""

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

from nmt.data.cache import expanded
from nmt.data.columns import Columns
from nmt.data.corpus import Corpus, Splits
from nmt.data.lines import read_pair, require_file
from nmt.data.table import read_table
from nmt.errors import UserError, at_least


@dataclass
class Files(Corpus):
    """A split is [source file, target file] or [table]; any file may be compressed."""

    train: list[str] | None = None  # [source file, target file] or [table]; .gz and others too
    dev: list[str] | None = None  # None: cut from train
    test: list[str] | None = None  # None: cut from train
    # Columns of a table, each a name or a number from 1. None: `source` and `target`, or the
    # languages' codes, or the first two of a table that has no header and no third.
    source_column: str | None = None
    target_column: str | None = None  # likewise
    dev_size: int = 1000  # lines to cut where dev is not given
    test_size: int = 1000  # lines to cut where test is not given
    split_seed: int = 1  # of the choice of these lines

    def content(self) -> object:
        at_least(0, {"data.dev_size": self.dev_size, "data.test_size": self.test_size})
        num_files = {split: len(paths) for split, paths in self._given().items()}
        cut = self.dev_size, self.test_size, self.split_seed
        return [num_files, self.source_column, self.target_column, cut]

    def paths(self) -> list[Path]:
        found = [expanded(path) for paths in self._given().values() for path in paths]
        for path in found:
            require_file(path)
        return found

    def read(self, scratch: Path) -> Splits:
        train, dev, test = (
            self._read(paths, scratch) if paths else None
            for paths in (self.train, self.dev, self.test)
        )
        if train is None:
            return Splits(None, dev, test)
        if dev is None and self.dev_size:
            train, dev = self._cut("dev", train, self.dev_size)
        if test is None and self.test_size:
            train, test = self._cut("test", train, self.test_size)
        return Splits(train, dev, test)

    def _given(self) -> dict[str, list[str]]:
        """The files of each split as they are in the settings."""
        named = {"train": self.train, "dev": self.dev, "test": self.test}
        given = {split: paths for split, paths in named.items() if paths}
        if not given:
            raise UserError(
                "data=files needs 'data.train=[SOURCE,TARGET]' or 'data.train=[TABLE]' (for "
                "evaluation only data.test=…)"
            )
        for split, paths in given.items():
            if len(paths) > 2:
                raise UserError(
                    f"data.{split} has {len(paths)} files: pass [SOURCE,TARGET] or one table"
                )
        return given

    def _read(self, paths: list[str], scratch: Path) -> Dataset:
        first, *second = map(expanded, paths)
        if second:
            return read_pair(first, second[0], scratch)
        wanted = Columns(self.source, self.target, self.source_column, self.target_column)
        return read_table(first, wanted, scratch)

    def _cut(self, split: str, train: Dataset, size: int) -> tuple[Dataset, Dataset]:
        if size >= len(train):
            raise UserError(
                f"data.{split}_size={size}: train has {len(train):,} pairs; lower it, or pass "
                f"data.{split}"
            )
        parts = train.train_test_split(test_size=size, seed=self.split_seed)
        return parts["train"], parts["test"]
