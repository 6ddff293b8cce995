"""Attention without learning: each head looks near its own position."""

import torch
from torch import Tensor

from nmt.attention.bias import Bias
from nmt.attention.score import Score
from nmt.errors import UserError, above_zero


class Gaussian(Score):
    """-(j - i - o_h)² / 2σ²: with the softmax, a Gaussian around position i + o_h.

    You, Sun and Iyyer 2020 (Hard-coded Gaussian attention, arXiv 2005.00742), section 3, with
    σ = 1. i is the position of the query, j that of the key, o_h the offset of head h; heads take
    the ``offsets`` in turn. The score reads neither query nor key. In an RNN it may also be the
    score of source-target attention: then target position t looks at source position t + o_h.
    """

    reads_keys = False
    reads_query = False
    keeps_angle = True

    def __init__(
        self,
        query_width: int,
        key_width: int,
        sigma: float = 1.0,
        offsets: list[int] | None = None,
    ) -> None:
        super().__init__(query_width, key_width)
        above_zero({"attention.sigma": sigma})
        self.sigma = sigma
        self.offsets = [-1, 0, 1] if offsets is None else list(offsets)
        if not self.offsets:
            raise UserError("attention.offsets=[]: give at least one, such as [-1,0,1]")

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query.new_zeros(*query.shape[:-1], keys.shape[-2])

    def bias(self, heads: int) -> Bias:
        return GaussianBias(heads, self)


class GaussianBias(Bias):
    """The logarithm of the Gaussian, without its constant, which is the same for all keys."""

    learns = False

    def __init__(self, heads: int, score: Gaussian) -> None:
        super().__init__()
        self.sigma = score.sigma
        offsets = [score.offsets[head % len(score.offsets)] for head in range(heads)]
        self.register_buffer("offsets", torch.tensor(offsets)[:, None, None], persistent=False)
        self.offsets: Tensor

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        return -(distance - self.offsets).square() / (2 * self.sigma**2)
