"""Rows of ids of unequal length, kept end to end."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from nmt.data.tokenizer import PAD


class Chunk(NamedTuple):
    """Rows end to end; row n is values[offsets[n] : offsets[n + 1]]."""

    values: np.ndarray  # (all ids,) int32
    offsets: np.ndarray  # (rows + 1,) int32


class Ragged:
    """N rows of ids in chunks, which may be mapped from a file; in memory are the lengths alone."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self.lengths = np.concatenate([np.diff(chunk.offsets) for chunk in chunks])  # (N,)
        self._ends = list(accumulate(len(chunk.offsets) - 1 for chunk in chunks))  # in rows

    @classmethod
    def of_column(cls, column: pa.ChunkedArray) -> Self:
        """A column of lists of ids, where it is."""
        return cls([Chunk(one.values.to_numpy(), one.offsets.to_numpy()) for one in column.chunks])

    @classmethod
    def of_blocks(cls, blocks: Iterable[Sequence[Sequence[int]]]) -> Self:
        """Rows that come block by block."""
        chunks: list[Chunk] = []
        for block in blocks:
            values = np.fromiter(chain.from_iterable(block), np.int32)
            ends = accumulate(map(len, block), initial=0)
            chunks.append(Chunk(values, np.fromiter(ends, np.int32, len(block) + 1)))
        return cls(chunks)

    def row(self, index: int) -> list[int]:
        """One row."""
        return self._ids(int(index)).tolist()

    def padded(self, rows: Sequence[int] | np.ndarray) -> Tensor:
        """Some rows side by side: (B, longest) int64, padded on the right."""
        rows = np.asarray(rows)
        block = np.full((len(rows), self.lengths[rows].max()), PAD, dtype=np.int64)  # (B,L)
        for place, index in zip(block, rows.tolist(), strict=True):
            ids = self._ids(index)
            place[: len(ids)] = ids
        return torch.from_numpy(block)

    def _ids(self, index: int) -> np.ndarray:
        number = bisect_right(self._ends, index)
        values, offsets = self.chunks[number]
        place = index - self._ends[number]  # counted from the chunk's end: offsets has one more
        return values[offsets[place - 1] : offsets[place]]
