"""Tables on disk: written block by block, memory-mapped when they are read."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from datasets import Dataset


def write_arrow(path: Path, schema: pa.Schema, blocks: Iterable[pa.Table]) -> Dataset:
    """Writes tables one after the other into a file, as a dataset that is not held in memory.

    Blocks keep their order and their ends, so the same blocks give the same bytes.
    """
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for block in blocks:
            stream.write_table(block.combine_chunks())
    return Dataset.from_file(str(path))
