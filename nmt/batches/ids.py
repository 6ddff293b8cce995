"""The ids of both sides of a split: as they are kept, and drawn anew."""

from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from datasets import Dataset

from nmt.batches.ragged import Ragged
from nmt.data.corpus import arrow_table
from nmt.data.tokenizer import EOS, Tokenizer


class Ids(NamedTuple):
    """Both sides of a split in ids."""

    source: Ragged
    target: Ragged

    @classmethod
    def of(cls, split: Dataset) -> Self:
        """The ids of a split, where they are."""
        return cls.of_table(arrow_table(split.select_columns(["source_ids", "target_ids"])))

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """The ids of a table with the columns of a split."""
        return cls(*(Ragged.of_column(table[f"{side}_ids"]) for side in ("source", "target")))

    def lengths(self) -> np.ndarray:
        """(N,2): tokens per side. A target of bos … eos is one position shorter in the model."""
        return np.stack([self.source.lengths, self.target.lengths - 1], 1)


class Draw(NamedTuple):
    """Cuts lines at random, with what stands before them, and eos."""

    tokenizer: Tokenizer
    before: list[int]
    most: int  # ids

    def __call__(
        self, lines: list[str], seed: int, best: Ragged, first: int = 0
    ) -> list[list[int]]:
        """The lines' ids; where too many, those of `best` from row `first` on."""
        rows = [[*self.before, *ids, EOS] for ids in self.tokenizer.sample(lines, seed)]
        return [
            row if len(row) <= self.most else best.row(first + index)
            for index, row in enumerate(rows)
        ]
