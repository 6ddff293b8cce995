"""Keys one after the other: each takes a share of the weight that those before it left."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.attention.normalize import Normalizer
from nmt.attention.place import Place


class StickBreaking(Normalizer):
    """w_j = σ(z_j) · Π (1 - σ(z_k)) over the keys k before j; the rest goes to no key.

    Tan et al. 2024 (Scaling stick-breaking attention, arXiv 2410.17980), section 3, computed with
    logarithms. The order of the keys depends on the place. In a decoder the key nearest to the
    query comes first, the piece itself, then those to its left; in the paper a piece does not look
    at itself. In an encoder the nearest comes first too, and of two at the same distance the left
    one. In source-target attention keys come from left to right: a soft form of Raffel et al. 2017
    (monotonic attention).
    """

    sums_to_one = False
    ordered = True
    leaves_rest = True

    def __init__(self, heads: int = 1, place: str = Place.CROSS) -> None:
        super().__init__(heads)
        self.before = BEFORE[Place(place)]

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        hidden = scores == float("-inf")
        z = scores.masked_fill(hidden, 0.0)
        left = F.logsigmoid(-z).masked_fill(hidden, 0.0)  # ln(1 - σ(z)), what a key leaves
        return (F.logsigmoid(z) + self.before(left)).exp().masked_fill(hidden, 0.0)


def to_the_left(x: Tensor) -> Tensor:
    """Sum over the keys that stand to the left of each: (...,T,S)."""
    return x.cumsum(-1) - x


def to_the_right(x: Tensor) -> Tensor:
    """Sum over the keys to the right of each; a decoder's query stands there itself."""
    return to_the_left(x.flip(-1)).flip(-1)


def nearer(x: Tensor) -> Tensor:
    """Sum over the keys that are nearer to the query of their row: (...,S,S), all queries."""
    at = torch.arange(x.shape[-1], device=x.device)
    distance = at - at[:, None]  # (S,S)
    order = (2 * distance.abs() - (distance < 0).int()).argsort(-1)
    back = order.argsort(-1)
    return to_the_left(x.gather(-1, order.expand_as(x))).gather(-1, back.expand_as(x))


# What comes before a key, by the place of the attention.
BEFORE: dict[Place, Callable[[Tensor], Tensor]] = {
    Place.CROSS: to_the_left,
    Place.DECODER: to_the_right,
    Place.ENCODER: nearer,
}
