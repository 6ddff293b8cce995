"""Which source pieces each target piece of train is linked to, for attention that is guided."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nmt.batches.ragged import Ragged

WIDE = 2**15  # more than a line has pieces


class Guide:
    """The links of N lines of train, in pieces: target piece t is linked to source piece s."""

    def __init__(self, codes: Ragged) -> None:
        self.codes = codes  # row n: t · WIDE + s of its links

    @classmethod
    def of_links(cls, lines: Iterable[Sequence[tuple[int, int]]]) -> Self:
        """Keep the links (t, s) of each line."""
        return cls(Ragged.of_blocks([[[t * WIDE + s for t, s in line] for line in lines]]))

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self.codes.lengths)

    def weights(self, rows: Sequence[int] | np.ndarray, num_target: int, num_source: int) -> Tensor:
        """Return where the target pieces of some lines should look: (B,T,S).

        A row spreads 1 evenly over the source pieces that the target piece is linked to; that of a
        piece without links is 0.
        """
        links = torch.zeros(len(rows), num_target, num_source)
        for place, row in enumerate(rows):
            target, source = np.divmod(self.codes.row(row), WIDE)
            links[place, target, source] = 1.0
        return links / links.sum(-1, keepdim=True).clamp(min=1)
