"""Any translation dataset of the Hugging Face hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pyarrow as pa
from datasets import Dataset, DatasetBuilder, IterableDataset, load_dataset_builder
from datasets.exceptions import DatasetsError
from huggingface_hub.constants import HF_HOME
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils.logging import set_verbosity_error

from nmt.data.columns import Columns
from nmt.data.corpus import BLOCK, Corpus, Splits, arrow_table, spooled, texts
from nmt.data.digests import Stamp
from nmt.data.hub_tables import as_text
from nmt.errors import UserError


@dataclass
class HubDataset(Corpus):
    """Location of a dataset on the hub, with a `translation` feature or two columns of text."""

    name: str = "???"  # owner/dataset, or a folder on this machine
    config: str | None = None  # the dataset's configuration, e.g. de-en
    folder: str | None = None  # a folder in the repository, where it has no configurations
    revision: str | None = None  # a branch, tag or commit
    train: str | None = "train"  # the dataset's names of the splits; null: none
    dev: str | None = "validation"  # likewise
    test: str | None = "test"  # likewise
    source_column: str | None = None  # None: in `translation`, or named for the language
    target_column: str | None = None  # likewise

    def content(self) -> object:
        if "/" not in self.name:  # else it may be a loader of the library, such as pickle
            raise UserError(
                f"data.name={self.name}: use owner/dataset, or a folder, such as ./{self.name}"
            )
        splits = self.train, self.dev, self.test
        columns = self.source_column, self.target_column
        found = [self.name, self.config, self.folder, self.revision, splits, columns]
        return [*found, stamps(Path(self.name))] if Path(self.name).is_dir() else found

    def whole(self, split: str, scratch: Path) -> Dataset:
        """A split. UserError where it cannot be had.

        For a folder on this machine the library writes only to the folder `scratch`.
        """
        with self.told(split):
            builder = self._builder(scratch)
            builder.download_and_prepare()
            return cast(Dataset, builder.as_dataset(split))

    def streamed(self, split: str, **options: Any) -> IterableDataset:
        """A split that is read on demand. UserError where it cannot be read."""
        with self.told(split), TemporaryDirectory() as scratch:
            builder = self._builder(Path(scratch), **options)
            return cast(IterableDataset, builder.as_streaming_dataset(split))

    def tables(self, found: IterableDataset, split: str) -> Iterator[pa.Table]:
        """Source and target of a split, or of shards of it. UserError where they cannot be read."""
        with self.told(split):
            for table in found.with_format("arrow").iter(BLOCK):
                yield self.pairs(cast(pa.Table, table))

    def rows(self, found: IterableDataset, split: str) -> Iterator[tuple[str, str]]:
        """The pairs of `tables` one by one."""
        for table in self.tables(found, split):
            yield from zip(*texts(table), strict=True)

    def pairs(self, table: pa.Table) -> pa.Table:
        """Source and target of a table of the dataset. UserError where it has no such columns."""
        return self._columns.pairs(table, f"data.name={self.name}")

    @contextmanager
    def told(self, split: str) -> Iterator[None]:
        """Turns errors of the block into a UserError that says why a split cannot be read."""
        try:
            yield
        except UserError:
            raise
        except (OSError, ValueError, RuntimeError, DatasetsError, pa.ArrowException) as error:
            if isinstance(error.__cause__, UserError):  # the library has put its own around it
                raise error.__cause__ from None
            raise self._unreachable(split, error) from error

    @property
    def _columns(self) -> Columns:
        return Columns(self.source, self.target, self.source_column, self.target_column)

    def _builder(self, scratch: Path, **options: Any) -> DatasetBuilder:
        set_verbosity_error()
        disable_progress_bars()
        builder = load_dataset_builder(
            self.name,
            self.config,
            data_dir=self.folder,
            revision=self.revision,
            cache_dir=str(scratch) if Path(self.name).is_dir() else None,
            **options,
        )
        return as_text(builder, self._columns, scratch)

    def _unreachable(self, split: str, error: Exception) -> UserError:
        """The message for a split that the hub, or a folder instead of it, does not have."""
        reason = " ".join(str(error).split()).rstrip(".")
        asked = f"data.name={self.name} (split {split})"
        file = str(getattr(error, "filename", None) or "")
        if file and Path(file).is_relative_to(HF_HOME):
            return UserError(
                f"{asked} cannot be loaded: {reason}. The Hugging Face libraries keep downloads "
                "there; HF_HOME=FOLDER sets another place"
            )
        if Path(self.name).is_dir():
            return UserError(f"{asked} cannot be read from that folder: {reason}")
        return UserError(
            f"{asked} cannot be loaded from the Hugging Face hub: {reason}. See "
            "huggingface.co/datasets for its name, config and splits; without a network use "
            "data=bible, data=files, or the folder of a corpus you have (data.dir=)"
        )


@dataclass
class Hub(HubDataset):
    """A dataset that is fetched as a whole.

    Data that were read once stay in the cache and are not fetched again.
    """

    stream: bool = False  # fetch the two columns alone (Parquet), for datasets with pictures

    def content(self) -> object:
        return [super().content(), self.stream]

    def read(self, scratch: Path) -> Splits:
        return Splits(*(self._split(name, scratch) for name in (self.train, self.dev, self.test)))

    def _split(self, split: str | None, scratch: Path) -> Dataset | None:
        if split is None:
            return None
        if self.stream:
            columns = [self.source_column or self.source, self.target_column or self.target]
            return spooled(self.rows(self.streamed(split, columns=columns), split), scratch)
        return Dataset(self.pairs(arrow_table(self.whole(split, scratch))))


def stamps(folder: Path) -> list[list[object]]:
    """What the system knows of the files of a folder: a change, or another place, has others."""
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    return [[str(one.relative_to(folder)), *Stamp.of(one)] for one in files]
