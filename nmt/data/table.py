"""Tables of sentence pairs: TSV, CSV, JSON, Parquet."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from datasets import Dataset

from nmt.data.columns import Columns
from nmt.data.compressed import COMPRESSED
from nmt.data.corpus import BLOCK, spooled, texts
from nmt.data.delimited import comma_pairs, tab_pairs
from nmt.data.jsonl import json_pairs
from nmt.data.lines import strict_lines
from nmt.errors import UserError

READERS = {".jsonl": json_pairs, ".json": json_pairs, ".tsv": tab_pairs, ".csv": comma_pairs}


def read_table(path: Path, columns: Columns, scratch: Path) -> Dataset:
    """Two columns of a table, whose format is the ending of its name. UserError for other endings.

    They are written to a file in the folder `scratch`.
    """
    name = path.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if name.endswith(".parquet"):
        return spooled(_parquet(path, columns), scratch)
    for ending, read in READERS.items():
        if name.endswith(ending):
            return spooled(read(strict_lines(path), columns, str(path)), scratch)
    raise UserError(
        f"{path}: a single file must be .tsv, .csv, .jsonl or .parquet; for plain text pass "
        "both sides: [SOURCE,TARGET]"
    )


def _parquet(path: Path, columns: Columns) -> Iterator[tuple[str, str]]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            paths = columns.paths(file.schema_arrow, str(path))
            if not file.metadata.num_rows:
                raise UserError(f"{path} is empty")
            for batch in file.iter_batches(BLOCK, columns=sorted({path[0] for path in paths})):
                table = columns.pairs(pa.Table.from_batches([batch]), str(path))
                yield from zip(*texts(table), strict=True)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
