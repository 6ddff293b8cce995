"""Rows of ids of unequal length, kept end to end."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Self

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from nmt.data.corpus import arrow_table
from nmt.data.tokenizer import PAD


class Ragged:
    """N rows of ids; row n is values[starts[n] : starts[n] + lengths[n]]."""

    def __init__(self, values: np.ndarray, lengths: np.ndarray) -> None:
        self.values = values  # (all ids,) int32
        self.lengths = lengths  # (N,)
        self.starts = np.cumsum(lengths) - lengths  # (N,)

    @classmethod
    def of_column(cls, split: Dataset, column: str) -> Self:
        """A column of lists of ids."""
        rows = arrow_table(split.select_columns(column)).column(column).combine_chunks()
        return cls(rows.flatten().to_numpy(), rows.value_lengths().to_numpy())

    @classmethod
    def of_blocks(cls, blocks: Iterable[Sequence[Sequence[int]]]) -> Self:
        """Rows that come block by block."""
        values, lengths = [], []
        for block in blocks:
            values.append(np.fromiter(chain.from_iterable(block), np.int32))
            lengths.append(np.fromiter(map(len, block), np.int64))
        return cls(np.concatenate(values), np.concatenate(lengths))

    def row(self, index: int) -> list[int]:
        """One row."""
        start = self.starts[index]
        return self.values[start : start + self.lengths[index]].tolist()

    def padded(self, rows: Sequence[int]) -> Tensor:
        """Some rows side by side: (B, longest) int64, padded on the right."""
        lengths = self.lengths[rows]
        places = np.arange(lengths.max())
        inside = places < lengths[:, None]  # (B,L)
        block = np.full(inside.shape, PAD, dtype=np.int64)
        block[inside] = self.values[(self.starts[rows][:, None] + places)[inside]]
        return torch.from_numpy(block)
