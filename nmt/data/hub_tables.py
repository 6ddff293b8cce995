"""JSON, CSV and TSV of the hub, read by this package, because `datasets` guesses types.

If a column of JSON has one number, `datasets` reads all of it as JSON and puts text in quotes; the
words None, NA and null in a CSV become missing values.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import (
    ArrowBasedBuilder,
    BuilderConfig,
    DatasetBuilder,
    DatasetInfo,
    Features,
    SplitGenerator,
    Value,
)
from datasets.download.streaming_download_manager import xopen
from datasets.packaged_modules.csv.csv import Csv
from datasets.packaged_modules.json.json import Json

from nmt.data.columns import Columns
from nmt.data.compressed import decompressed
from nmt.data.corpus import in_tables
from nmt.data.delimited import comma_pairs, tab_pairs
from nmt.data.jsonl import json_pairs
from nmt.data.lines import decoded
from nmt.errors import UserError

Reader = Callable[[Iterator[str], Columns, str], Iterator[tuple[str, str]]]

# Settings that a dataset's card may have: they are followed, or do not change the text.
FOLLOWED = (
    *("name", "version", "data_dir", "data_files", "description", "features", "sep", "delimiter"),
    *("keep_default_na", "na_filter", "na_values", "chunksize", "on_mixed_types"),
)


@dataclass
class TextTablesConfig(BuilderConfig):
    """How the files are read."""

    columns: Columns | None = None
    separator: str | None = None  # of the columns; None: JSON


class TextTables(ArrowBasedBuilder):
    """Files with a pair in each row, which `datasets` finds; the result has two columns of text.

    They are named as in `Columns`, which finds them by these names.
    """

    BUILDER_CONFIG_CLASS = TextTablesConfig
    config: TextTablesConfig

    def _info(self) -> DatasetInfo:
        assert self.config.columns is not None
        names = self.config.columns.source or "source", self.config.columns.target or "target"
        return DatasetInfo(features=Features({name: Value("string") for name in names}))

    def _split_generators(self, dl_manager: Any) -> list[SplitGenerator]:
        assert self.config.data_files is not None
        return [
            SplitGenerator(name=split, gen_kwargs={"files": list(_files(dl_manager, urls))})
            for split, urls in self.config.data_files.items()
        ]

    def _generate_tables(self, files: list[str]) -> Iterator[tuple[Any, pa.Table]]:  # pyright: ignore[reportIncompatibleMethodOverride] the keys of gen_kwargs
        assert self.config.columns is not None
        assert self.info.features is not None
        for number, name in enumerate(files):
            file: Any = xopen(name, "rb")
            with file, decompressed(file, name) as content:
                rows = self._reader(decoded(content, name), self.config.columns, name)
                tables = in_tables(rows, self.info.features.arrow_schema)
                for key, table in enumerate(tables):
                    yield (number, key), table

    @property
    def _reader(self) -> Reader:
        separator = self.config.separator
        if separator is None:
            return json_pairs
        return tab_pairs if separator == "\t" else partial(comma_pairs, separator=separator)


def as_text(builder: DatasetBuilder, columns: Columns, cache: Path) -> DatasetBuilder:
    """A builder of the library, or one that reads the same files as text where they are text.

    UserError where the dataset's card asks for a way of reading that this package does not know.
    """
    if not isinstance(builder, (Json, Csv)):
        return builder
    config: Any = builder.config
    usual = type(config)()
    others = [
        f"{key.name}: {getattr(config, key.name)}"
        for key in fields(config)
        if key.name not in FOLLOWED
        and getattr(config, key.name) not in (getattr(usual, key.name), "utf-8")
    ]
    separator = getattr(config, "sep", None)
    if others or (separator is not None and len(separator) != 1):
        raise UserError(
            f"the card of the dataset {builder.dataset_name} reads its files with "
            f"{', '.join(others) or f'sep: {separator}'}, which is not supported: download the "
            "files and use data=files"
        )
    return TextTables(
        cache_dir=str(cache),
        dataset_name=builder.dataset_name,
        base_path=builder.base_path,
        token=builder.token,
        data_files=config.data_files,
        columns=columns,
        separator=separator,
    )


def _files(dl_manager: Any, urls: list[str]) -> Iterator[str]:
    """The files themselves, those in a zip each."""
    for url in urls:
        place = dl_manager.download(url)
        if url.lower().endswith(".zip"):
            yield from dl_manager.iter_files(dl_manager.extract(place))
        else:
            yield place
