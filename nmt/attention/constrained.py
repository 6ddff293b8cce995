"""Weights with upper bounds: a source piece that has been looked at enough gets no more."""

from abc import abstractmethod

import torch
from torch import Tensor

from nmt.attention.history import Historic
from nmt.attention.normalize import Normalizer
from nmt.errors import above_zero, at_least

LEAST = 1e-6  # of a fertility: what is left below that is rounding


class Constrained(Normalizer, Historic):
    """Normalizers whose weights are at most u, what is left of each piece's fertility.

    u = f - β, β the sum of the weights that the piece had at earlier positions. ``fertility`` is f,
    the same for every piece. ``credit`` is c: scores become z + c·u.

    Some piece must take the excess weight. The paper appends a piece <SINK> without a bound
    to the source. Here this is the sink (``sink=``) if there is one, or the last visible key. That
    is </s>, unless a window hides it.
    """

    exact_zeros = True
    ordered = True

    def __init__(self, heads: int = 1, fertility: float = 2.0, credit: float = 0.2) -> None:
        super().__init__(heads)
        above_zero({"normalize.fertility": fertility})
        at_least(0, {"normalize.credit": credit})
        self.fertility = fertility
        self.credit = credit

    def forward(
        self, scores: Tensor, query: Tensor | None = None, past: Tensor | None = None
    ) -> Tensor:
        visible = scores > float("-inf")
        last = visible & (visible.flip(-1).cumsum(-1).flip(-1) == 1)
        left = torch.full_like(scores, self.fertility)
        if past is not None:
            looked = past.to(scores.dtype)
            left[..., : past.size(-1)] -= looked  # a sink has no history
        left = left.where(left > LEAST, 0.0).masked_fill(~visible, 0.0)
        scores = scores + (self.credit * left).masked_fill(last, 0.0)
        return self.bounded_by(left.masked_fill(last, 1.0), scores, last)

    @abstractmethod
    def bounded_by(self, u: Tensor, scores: Tensor, last: Tensor) -> Tensor:
        """Return the weights (...,T,S), at most u.

        u, scores: (...,T,S)
        last:      bool (...,T,S), at one key of each row, whose bound means nothing
        """

    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        return past + weights


class ConstrainedSoftmax(Constrained):
    """The distribution p ≤ u that is closest to softmax(z): argmin KL(p ‖ softmax(z)).

    Martins and Kreutzer 2017 (Fully differentiable neural easy-first taggers), for attention
    Malaviya et al. 2018 (Sparse and constrained attention for NMT). Pieces whose softmax would be
    above their bound get u; the others share the rest as in a softmax.

    u = f - β: β is the sum of the weights that a piece had at earlier positions, f its fertility,
    ``fertility``. The paper also predicts f, or takes it from word alignments; here it is the same
    for all pieces. ``credit`` is its c: scores become z + c·u. The sink (``sink=``) stands for its
    <SINK>, which has no bound. Without a sink the last key does, </s>.
    """

    def bounded_by(self, u: Tensor, scores: Tensor, last: Tensor) -> Tensor:
        bound = is_bound(u.detach(), scores.detach(), last)
        rest = 1 - (u * bound).sum(-1, keepdim=True)  # (...,T,1)
        shares = scores.masked_fill(bound, float("-inf")).softmax(-1)
        return torch.where(bound, u, shares * rest)


class ConstrainedSparsemax(Constrained):
    """The distribution p ≤ u that is closest to z: argmin ‖p - z‖². Most pieces get exactly 0.

    Malaviya et al. 2018 (Sparse and constrained attention for NMT). p_i is z_i - τ, but at least 0
    and at most u_i, with the τ that makes the sum 1.

    u, ``fertility``, ``credit`` and the key without a bound are those of
    ``normalize=constrained_softmax``.
    """

    def bounded_by(self, u: Tensor, scores: Tensor, last: Tensor) -> Tensor:
        tau = threshold(u.detach(), scores.detach())
        bound = (scores - tau >= u) & (u > 0)
        between = (scores > tau) & ~bound & (u > 0)
        given = scores.where(between, 0.0) + u.where(bound, 0.0)
        number = between.sum(-1, keepdim=True).clamp(min=1)
        tau = (given.sum(-1, keepdim=True) - 1) / number  # with its gradient
        return torch.where(between, scores - tau, u.where(bound, 0.0))


def is_bound(u: Tensor, scores: Tensor, last: Tensor) -> Tensor:
    """Tell which weights of the constrained softmax are at their bound: bool (...,T,S).

    Keys reach their bounds in the order of u / exp(z). With the first k of them at their bounds,
    the others get exp(z - λ), λ = ln Σ exp(z) - ln(1 - Σ u), sums over the others and over the k.
    The right k is the smallest with which the next key is below its bound.
    """
    never = last | (scores == float("-inf"))
    ratio, order = (u.log() - scores).masked_fill(never, float("inf")).sort(-1)
    z, bounds = scores.gather(-1, order), u.masked_fill(never, 0.0).gather(-1, order)
    others = z.flip(-1).logcumsumexp(-1).flip(-1)
    rest = 1 - (bounds.cumsum(-1) - bounds)
    below = ratio >= rest.clamp(min=torch.finfo(u.dtype).tiny).log() - others
    first = below.int().argmax(-1, keepdim=True)  # k
    reached = torch.arange(u.size(-1), device=u.device) < first
    return torch.zeros_like(never).scatter(-1, order, reached)


def threshold(u: Tensor, scores: Tensor) -> Tensor:
    """Find τ of the constrained sparsemax (...,T,1): Σ min(u, max(0, z - τ)) = 1.

    The sum grows as τ falls: the weight of key i grows from τ = z_i to τ = z_i - u_i. So the sum is
    computed at these places, sorted (Pardalos and Kovoor 1990).
    """
    lowest = (scores - u).masked_fill(scores == float("-inf"), float("inf"))
    z = torch.maximum(scores, lowest.amin(-1, keepdim=True))  # hidden keys come and go at the end
    places, order = torch.cat([z, z - u], -1).sort(-1, descending=True)  # (...,T,2S)
    slope = torch.where(order < u.size(-1), 1, -1).cumsum(-1)  # weights that grow, from each on
    gaps = places - torch.cat([places[..., 1:], places[..., -1:]], -1)
    total = (slope * gaps).cumsum(-1)  # at the next place
    at = (total >= 1).int().argmax(-1, keepdim=True)
    at = torch.where(total[..., -1:] < 1, total.size(-1) - 1, at)  # all at their bounds: rounding
    before = torch.where(at > 0, total.gather(-1, (at - 1).clamp(min=0)), 0.0)
    return places.gather(-1, at) - (1 - before) / slope.gather(-1, at).clamp(min=1)
