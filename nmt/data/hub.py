"""Any translation dataset of the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetsError
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils.logging import set_verbosity_error

from nmt.data.columns import Columns
from nmt.data.corpus import Corpus, Splits, arrow_table
from nmt.errors import UserError


@dataclass
class HubDataset(Corpus):
    """Where a dataset with a `translation` feature or two columns of text is on the hub."""

    name: str = "???"  # owner/dataset, or a folder on this machine
    config: str | None = None  # the dataset's configuration, e.g. de-en
    folder: str | None = None  # a folder in the repository, where it has no configurations
    revision: str | None = None  # a branch, tag or commit
    train: str | None = "train"  # the dataset's names of the splits; null: none
    dev: str | None = "validation"
    test: str | None = "test"
    source_column: str | None = None  # None: in `translation`, or named for the language
    target_column: str | None = None

    def content(self) -> object:
        if "/" not in self.name:  # else it may be a loader of the library, of pickles for one
            raise UserError(
                f"data.name={self.name}: give owner/dataset, or a folder, such as ./{self.name}"
            )
        splits = self.train, self.dev, self.test
        columns = self.source_column, self.target_column
        return [self.name, self.config, self.folder, self.revision, splits, columns]

    def fetch(self, split: str, **options: Any) -> Any:
        """The split as load_dataset gives it. UserError where it cannot be had."""
        set_verbosity_error()
        disable_progress_bars()
        try:
            return load_dataset(
                self.name,
                self.config,
                data_dir=self.folder,
                revision=self.revision,
                split=split,
                **options,
            )
        except (OSError, ValueError, RuntimeError, DatasetsError) as error:
            raise self.unreachable(split, error) from error

    def unreachable(self, split: str, error: Exception) -> UserError:
        """What to say where the hub, or a folder in its place, does not give a split."""
        reason = " ".join(str(error).split()).rstrip(".")
        return UserError(
            f"data.name={self.name} (split {split}) cannot be had from the Hugging Face hub: "
            f"{reason}. Look at huggingface.co/datasets for the name, "
            "config and splits; without a network use data=bible, data=files, or the folder "
            "of a corpus you have (data.dir=)"
        )

    def pairs(self, table: pa.Table) -> pa.Table:
        """Source and target of a table of the dataset. UserError where it has no such columns."""
        columns = Columns(self.source, self.target, self.source_column, self.target_column)
        return columns.pairs(table, f"data.name={self.name}")


@dataclass
class Hub(HubDataset):
    """A dataset that is fetched as a whole.

    What has been read once stays in the cache and is not asked for again.
    """

    stream: bool = False  # fetch the two columns alone (Parquet), for datasets with pictures

    def content(self) -> object:
        return [super().content(), self.stream]

    def read(self, scratch: Path) -> Splits:
        return Splits(*(self._split(name) for name in (self.train, self.dev, self.test)))

    def _split(self, split: str | None) -> Dataset | None:
        if split is None:
            return None
        return Dataset(self.pairs(arrow_table(self._whole(split))))

    def _whole(self, split: str) -> Dataset:
        if not self.stream:
            return self.fetch(split, streaming=False)
        columns = [self.source_column or self.source, self.target_column or self.target]
        found = self.fetch(split, streaming=True, columns=columns)
        try:
            return Dataset.from_list(list(found))
        except (OSError, ValueError, RuntimeError, DatasetsError) as error:
            raise self.unreachable(split, error) from error
