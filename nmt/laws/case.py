"""An attention, and a padded batch to try it on."""

from collections.abc import Callable

import torch
from torch import Tensor

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention, record_attention

B, T, S = 3, 5, 7
QUERY, KEY, VALUE = 6, 10, 4  # widths
LENGTHS = (7, 4, 1)  # of the sentences
WITHIN = (7, 6, 5)  # of sentences that look at themselves, so that each query is one of the pieces


class Case:
    """An attention in float64, and queries, keys and values of three sentences.

    make:      makes it for widths of query, key and value
    key_width: of the keys
    lengths:   of the sentences
    """

    def __init__(
        self,
        make: Callable[[int, int, int], Attend],
        key_width: int = QUERY,
        lengths: tuple[int, int, int] = LENGTHS,
    ) -> None:
        torch.manual_seed(1)
        self.make = make
        self.attend = make(QUERY, key_width, VALUE).double().eval()
        self.query = torch.randn(B, T, QUERY, dtype=torch.float64)
        self.keys = torch.randn(B, S, key_width, dtype=torch.float64)
        self.values = torch.randn(B, S, VALUE, dtype=torch.float64)
        self.lengths = lengths
        self.mask = (torch.arange(S) < torch.tensor(lengths)[:, None])[:, None]  # (B,1,S)
        self.position = torch.arange(T)

    def __call__(self) -> Tensor:
        """Return the contexts (B,T,·)."""
        memory = self.attend.remember(self.keys, self.values)
        return self.attend(self.query, *memory, self.mask, self.position)

    def weights(self) -> list[Tensor]:
        """Return the weights (B,[H,]T,S) of each look."""
        with record_attention(self.attend) as weights:
            self()
        return [one for of_one in weights.values() for one in of_one]

    @property
    def inner(self) -> Attention:
        """The attention itself, inside of heads and hops."""
        return next(one for one in self.attend.modules() if isinstance(one, Attention))
