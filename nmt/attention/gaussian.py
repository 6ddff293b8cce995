"""Attention that nobody learns: each head looks at one side of its own place."""

import torch
from torch import Tensor

from nmt.attention.bias import Bias
from nmt.attention.score import Score
from nmt.errors import UserError, above_zero


class Gaussian(Score):
    """-(j - i - o_h)² / 2σ²: with the softmax a Gaussian around the place i + o_h.

    You, Sun and Iyyer 2020 (Hard-coded Gaussian attention, arXiv 2005.00742), section 3: σ = 1, and
    heads take the ``offsets`` in turns. It reads neither query nor key. In source-target attention,
    which an RNN alone may have, the target's place t looks at the source's place t + o.
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
            raise UserError("attention.offsets=[]: give one place at least, as [-1,0,1]")

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return query.new_zeros(*query.shape[:-1], keys.shape[-2])

    def bias(self, heads: int) -> Bias:
        return GaussianBias(heads, self)


class GaussianBias(Bias):
    """The Gaussian's logarithm, without what is the same for all keys."""

    learns = False

    def __init__(self, heads: int, score: Gaussian) -> None:
        super().__init__()
        self.sigma = score.sigma
        offsets = [score.offsets[head % len(score.offsets)] for head in range(heads)]
        self.register_buffer("offsets", torch.tensor(offsets)[:, None, None], persistent=False)
        self.offsets: Tensor

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        return -(distance - self.offsets).square() / (2 * self.sigma**2)
