"""A softmax over the best keys alone."""

from torch import Tensor

from nmt.attention.normalize import Normalizer
from nmt.errors import at_least


class TopK(Normalizer):
    """softmax over the ``k`` largest scores; the other keys get exactly 0.

    Zhao et al. 2019 (Explicit sparse Transformer, eq. 4 to 6). If several keys have the k-th
    largest score, all of them stay. A sink counts as one of the keys.
    """

    exact_zeros = True

    def __init__(self, heads: int = 1, k: int = 8) -> None:
        super().__init__(heads)
        at_least(1, {"normalize.k": k})
        self.k = k

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        least = scores.topk(min(self.k, scores.shape[-1]), dim=-1).values[..., -1:]
        return scores.masked_fill(scores < least, float("-inf")).softmax(-1)
