"""The biases that positions give to the scores of self-attention: by distance, learned or not."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.bias import Bias
from nmt.attention.score import InnerProduct, Score
from nmt.errors import UserError

MakeBias = Callable[[int, Score], Bias]


class LinearBias(Bias):
    """-m_h · |j - i|, m_h falling from 2^(-8/H) to 2^-8 over the heads. Press et al. 2022 (ALiBi).

    If H is not a power of two, the slopes are those of the power of two below, and every second one
    of the power above, as in the authors' code.
    """

    learns = False

    def __init__(self, heads: int, score: Score) -> None:
        super().__init__()
        self.register_buffer("m", torch.tensor(slopes(heads))[:, None, None], persistent=False)
        self.m: Tensor

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        return -self.m * distance.abs()


def slopes(heads: int) -> list[float]:
    """Return m_1 … m_H."""
    below = 2 ** math.floor(math.log2(heads))
    found = [2 ** (-8 * (h + 1) / below) for h in range(below)]
    return found if below == heads else found + slopes(2 * below)[::2][: heads - below]


class BucketBias(Bias):
    """A learned number for each head and bucket of distances. Raffel et al. 2020 (T5), section 2.1.

    Half of the buckets hold one distance each. The others grow logarithmically up to
    ``max_distance``, and the last one holds all larger distances. With ``both_ways``, half of the
    buckets are for keys after the query. Biases start at 0. In T5 all layers share one table; here
    each layer has its own.
    """

    def __init__(
        self, heads: int, score: Score, num_buckets: int, max_distance: int, both_ways: bool
    ) -> None:
        super().__init__()
        self.ahead = num_buckets // 2 if both_ways else 0  # buckets that are not for what is ahead
        table = buckets(num_buckets - self.ahead, max_distance)
        self.register_buffer("buckets", torch.tensor(table), persistent=False)
        self.buckets: Tensor
        self.table = nn.Parameter(torch.zeros(num_buckets, heads))

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        distance = distance.squeeze(-3)  # (...,T,S)
        far = distance.abs() if self.ahead else -distance.clamp(max=0)
        bucket = self.buckets[far.clamp(max=len(self.buckets) - 1)]
        bucket = bucket + self.ahead * (distance > 0)
        return F.embedding(bucket, self.table).movedim(-1, -3)  # (...,H,T,S)


def buckets(number: int, max_distance: int) -> list[int]:
    """Return the bucket of each distance from 0 to ``max_distance``, for a number of buckets."""
    exact = number // 2
    growth = (number - exact) / math.log(max_distance / exact)
    return [
        far if far < exact else min(exact + int(math.log(far / exact) * growth), number - 1)
        for far in range(max_distance + 1)
    ]


class ShawBias(Bias):
    """f(q)·a_clip(j-i), clipped at ±``max_distance``: with f(q)·k it is f(q)·(k + a).

    Shaw et al. 2018, eq. 4 and 5; all heads share one table. The term of eq. 3 at the values is
    left out: by their table 3 it adds nothing. UserError for a score that is not an inner product.
    """

    def __init__(self, heads: int, score: Score, max_distance: int) -> None:
        super().__init__()
        if not isinstance(score, InnerProduct):
            raise UserError(
                "positions=shaw adds a vector to each key, and "
                f"{type(score).__name__} has no inner product with keys: choose luong_dot, "
                "luong_general, scaled_dot or cosine, or other positions="
            )
        self.place = score.place
        self.max_distance = max_distance
        width = score.place(torch.zeros(1, score.query_width)).size(-1)
        self.a = nn.Parameter(torch.randn(2 * max_distance + 1, width) * width**-0.5)

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        products = self.place(query) @ self.a.mT  # (...,H,T,2D+1)
        most = self.max_distance
        index = distance.clamp(-most, most) + most  # (...,1,T,S)
        return products.gather(-1, index.expand(*products.shape[:-1], -1))  # (...,H,T,S)
