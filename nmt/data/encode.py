"""Lines to ids, ten thousand pairs at a time."""

from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from nmt.data.text import Text
from nmt.data.tokenizer import BOS, EOS, Tokenizer

IDS = pa.schema(
    {
        "source": pa.string(),
        "target": pa.string(),
        "source_ids": pa.list_(pa.int32()),
        "target_ids": pa.list_(pa.int32()),
    }
)


class Encoder(NamedTuple):
    """Puts ids beside text: source_ids (… eos) and target_ids (bos … eos)."""

    source: Tokenizer
    target: Tokenizer

    def __call__(self, text: Text) -> pa.Table:
        source, target = text
        ids = (
            [[*line, EOS] for line in self.source.encode(source)],
            [[BOS, *line, EOS] for line in self.target.encode(target)],
        )
        columns = [pa.array(side, pa.string()) for side in text]
        return pa.table([*columns, *map(_lists, ids)], schema=IDS)


def pair_lengths(table: pa.Table) -> np.ndarray:
    """(N,2): the lengths of source_ids and target_ids."""
    columns = "source_ids", "target_ids"
    return np.stack([value_lengths(table[name]) for name in columns], 1)


def value_lengths(column: pa.ChunkedArray) -> np.ndarray:
    """(N,) int32: how many ids each row of a column has."""
    return np.concatenate([chunk.value_lengths().to_numpy() for chunk in column.chunks])


def _lists(rows: list[list[int]]) -> pa.ListArray:
    """The same as pa.array, in an eighth of the time."""
    lengths = np.fromiter(map(len, rows), np.int32, len(rows))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = np.fromiter(chain.from_iterable(rows), np.int32, offsets[-1])
    return pa.ListArray.from_arrays(offsets, values)
