"""A bias on the score, for the distance between query and key, or for what is between them.

Keys are at positions 0, 1, … S-1, so a bias needs only the positions of the queries.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Bias(nn.Module, ABC):
    """The kinds of biases of a self-attention.

    A bias is made for the number of heads, H, and the score of the attention.
    """

    learns: bool = True  # whether it has a gradient, with which a CPU's fused kernel has no mask

    @abstractmethod
    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        """Return the bias of the scores: broadcastable to (...,H,T,S).

        query:    (...,H,T,K), the query of the attention
        distance: int, broadcastable to (...,1,T,S): position of the key minus that of the query
        """


class KeyBias(Bias):
    """A bias that reads the keys: it keeps a number of each head for each key, beside the key."""

    @abstractmethod
    def remember(self, keys: Tensor) -> Tensor:
        """Return what it keeps of keys before any projection: (...,S,D) -> (...,S,H)."""

    @abstractmethod
    def forward(self, query: Tensor, distance: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return the bias of the scores; kept: (...,H,S), of all keys so far."""


class EachMap(Bias):
    """The bias of each head for each of its maps, which stand H apart; see ``Mix.after``."""

    learns = False

    def __init__(self, of_heads: Bias, maps: int) -> None:
        super().__init__()
        self.of_heads = of_heads
        self.maps = maps

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        return torch.cat([self.of_heads(query, distance)] * self.maps, -3)
