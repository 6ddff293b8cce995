"""From scores to weights: how much of each value a query takes, from how well its key matches.

A score of -inf gets the weight 0 exactly and passes no gradient. At least one score of each row is
finite.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import entmax
from torch import Tensor, nn
from torch.nn import functional as F


class Normalizer(nn.Module, ABC):
    """From scores (...,T,S) to weights over the last axis, one object for each attention.

    Pictures, measures and tests follow its facts: whether the weights of a query sum to 1, or to
    more, whether visible keys may have a weight of exactly 0, whether a weight may be negative,
    whether none is above 1, whether the order of the keys matters, whether the backward pass
    computes the derivative of the forward pass, and whether it reads the query. One that needs to
    know what earlier positions found is a subclass of ``Historic`` too.

    heads: of the attention; where there are several the scores are (...,H,T,S), so that a
           parameter (H,1,1) is one for each head.
    """

    sums_to_one: ClassVar[bool] = True
    exceeds_one: ClassVar[bool] = False  # the weights of a query may sum to more than 1
    exact_zeros: ClassVar[bool] = False
    negative: ClassVar[bool] = False
    bounded: ClassVar[bool] = True
    ordered: ClassVar[bool] = False
    exact_gradient: ClassVar[bool] = True
    reads_query: ClassVar[bool] = False
    leaves_rest: ClassVar[bool] = False  # a query that finds nothing gives its weight to no key
    yields: ClassVar[bool] = True  # the keys have less weight where one with the score 0 is added

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads

    @abstractmethod
    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        """Return the weights (...,T,S).

        scores: (...,T,S), -inf at hidden keys, so that the visible ones can be counted
        query:  (...,T,Dq), for normalizers that read it
        """


class Softmax(Normalizer):
    """exp(z_i) / Σ_j exp(z_j): every visible key has some weight."""

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return scores.softmax(-1)


class Sparsemax(Normalizer):
    """argmin over p of ‖p - z‖², p a distribution. Martins & Astudillo 2016, eq. 2.

    Keys with low scores get exactly 0; often only a few keep a weight.
    """

    exact_zeros = True

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return entmax.sparsemax(scores, dim=-1)


class Entmax15(Normalizer):
    """argmax over p of p·z + H_1.5(p), H the Tsallis entropy. Peters et al. 2019, α-entmax.

    Between the softmax (α = 1) and sparsemax (α = 2): sparse, but less abruptly.
    """

    exact_zeros = True

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return entmax.entmax15(scores, dim=-1)


class Hard(Normalizer):
    """The best key alone. Forward: the argmax as one-hot; backward: the gradient of the softmax.

    The straight-through estimator of Bengio et al. 2013. The true gradient of an argmax is 0. So
    the backward pass is not the derivative of the forward pass.
    """

    exact_zeros = True
    exact_gradient = False

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        soft = scores.softmax(-1)
        hard = F.one_hot(scores.argmax(-1), scores.shape[-1])
        return soft + (hard - soft).detach()


def num_visible(scores: Tensor) -> Tensor:
    """Return how many keys each query may look at: scores (...,T,S) -> (...,T,1)."""
    return (scores > float("-inf")).sum(-1, keepdim=True)


def scaled(scores: Tensor, factor: Tensor) -> Tensor:
    """Multiply the scores (...,T,S) of visible keys by factors (...,T,1); -inf · 0 would be nan."""
    hidden = scores == float("-inf")
    return (scores.masked_fill(hidden, 0.0) * factor).masked_fill(hidden, float("-inf"))
