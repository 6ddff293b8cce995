"""Any translation dataset of the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetsError
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils.logging import set_verbosity_error
from pyarrow.compute import struct_field  # pyright: ignore[reportAttributeAccessIssue]

from nmt.data.corpus import Corpus, Splits, arrow_pairs, arrow_table
from nmt.data.table import Columns
from nmt.errors import UserError


@dataclass
class Hub(Corpus):
    """A dataset with a `translation` feature or two columns of text.

    What has been read once stays in the cache and is not asked for again.
    """

    name: str = "???"  # owner/dataset, or a folder on this machine
    config: str | None = None  # the dataset's configuration, e.g. de-en
    folder: str | None = None  # a folder in the repository, where it has no configurations
    revision: str | None = None  # a branch, tag or commit
    train: str | None = "train"  # the dataset's names of the splits; null: none
    dev: str | None = "validation"
    test: str | None = "test"
    source_column: str | None = None  # None: in `translation`, or named for the language
    target_column: str | None = None
    stream: bool = False  # fetch the two columns alone (Parquet), for datasets with pictures

    def content(self) -> object:
        if "/" not in self.name:  # else it may be a loader of the library, of pickles for one
            raise UserError(
                f"data.name={self.name}: give owner/dataset, or a folder, such as ./{self.name}"
            )
        splits = self.train, self.dev, self.test
        columns = self.source_column, self.target_column
        return [self.name, self.config, self.folder, self.revision, splits, columns, self.stream]

    def read(self, scratch: Path) -> Splits:
        return Splits(*(self._split(name) for name in (self.train, self.dev, self.test)))

    def _split(self, split: str | None) -> Dataset | None:
        if split is None:
            return None
        table = arrow_table(self._fetch(split))
        if "translation" in table.column_names and not (self.source_column or self.target_column):
            sides = table["translation"]
            self._check([field.name for field in sides.type])
            return arrow_pairs(*(struct_field(sides, side) for side in (self.source, self.target)))
        wanted = Columns(self.source, self.target, self.source_column, self.target_column)
        source, target = wanted.find(table.column_names, f"data.name={self.name}")
        return arrow_pairs(table[source], table[target])

    def _check(self, languages: list[str]) -> None:
        for side, language in (("source", self.source), ("target", self.target)):
            if language not in languages:
                raise UserError(
                    f"data.{side}={language}: data.name={self.name} has {', '.join(languages)}"
                )

    def _fetch(self, split: str) -> Dataset:
        """The split as it is on the hub. UserError where it cannot be had."""
        set_verbosity_error()
        disable_progress_bars()
        options: dict[str, Any] = {"split": split, "streaming": self.stream}
        if self.stream:
            options["columns"] = [
                self.source_column or self.source,
                self.target_column or self.target,
            ]
        try:
            found = load_dataset(
                self.name, self.config, data_dir=self.folder, revision=self.revision, **options
            )
            return Dataset.from_list(list(found)) if self.stream else found
        except (OSError, ValueError, RuntimeError, DatasetsError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise UserError(
                f"data.name={self.name} (split {split}) cannot be had from the Hugging Face hub: "
                f"{reason}. Look at huggingface.co/datasets for the name, "
                "config and splits; without a network use data=bible, data=files, or the folder "
                "of a corpus you have (data.dir=)"
            ) from error
