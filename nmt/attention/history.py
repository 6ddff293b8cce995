"""Scores and normalizers that know what their attention found before, position after position."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.attention.additive import blocks


class Historic(ABC):
    """A score or a normalizer with a history: X numbers that each position leaves to the next.

    Positions have to be computed one after the other, see :meth:`Attend.look_on`. ``forward`` takes
    the history as ``past`` (...,T,X); None: it is the first position.
    """

    def before(self, num_keys: int, value_width: int, device: torch.device) -> Tensor:
        """Return the history (X,) before the first position; here one 0 for each key."""
        return torch.zeros(num_keys, device=device)

    @abstractmethod
    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        """Return the history (...,T,X) after a position.

        past:    (...,T,X) before it
        weights: (...,T,S) that it gave to the keys
        context: (...,T,Dv) that it found
        """


def additive_with(query: Tensor, keys: Tensor, features: Tensor, P: Tensor, v: Tensor) -> Tensor:
    """v·tanh(q + k + P f): (...,T,W), (...,S,W), f (...,T,S,F), P (W,F), v (W) -> (...,T,S).

    In float32 at least. Differentiable once. No W numbers are kept for each pair: the pairs are
    visited block by block, and again on the way back.
    """
    dtype = torch.promote_types(v.dtype, torch.float32)
    query, keys, features, P, v = (x.to(dtype) for x in (query, keys, features, P, v))
    scores: Tensor = _AdditiveWith.apply(  # (N,T,S)
        query.reshape(-1, *query.shape[-2:]),
        keys.reshape(-1, *keys.shape[-2:]),
        features.reshape(-1, *features.shape[-3:]),
        P,
        v,
    )
    return scores.reshape(features.shape[:-1])


class _AdditiveWith(torch.autograd.Function):
    """Σ_w v_w tanh(x_w), x = q + k + P f: (N,T,W), (N,S,W), (N,T,S,F), (W,F), (W) -> (N,T,S)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, features: Tensor, P: Tensor, v: Tensor
    ) -> Tensor:
        ctx.save_for_backward(query, keys, features, P, v)
        scores = query.new_empty(features.shape[:-1])
        with torch.autocast(query.device.type, enabled=False):
            for n, t in blocks(query, keys):
                scores[n, t] = _hidden(query[n, t], keys[n], features[n, t], P) @ v
        return scores

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]: the decorator's fault
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, ...]:
        """From d tanh(x) = (1 - tanh²(x)) dx."""
        query, keys, features, P, v = ctx.saved_tensors
        d_query, d_keys, d_P, d_v = (torch.zeros_like(x) for x in (query, keys, P, v))
        d_features = torch.empty_like(features)
        with torch.autocast(query.device.type, enabled=False):
            for n, t in blocks(query, keys):
                h = _hidden(query[n, t], keys[n], features[n, t], P)  # (n,t,S,W)
                g = grad[n, t]  # (n,t,S)
                d_v += g.flatten() @ h.flatten(0, 2)
                slope = h.square_().neg_().add_(1).mul_(g[..., None])
                d_query[n, t] = slope.sum(2)
                d_keys[n] += slope.sum(1)
                d_features[n, t] = slope @ (v[:, None] * P)
                d_P += slope.flatten(0, 2).mT @ features[n, t].flatten(0, 2)
        return d_query * v, d_keys * v, d_features, d_P * v[:, None], d_v


def _hidden(query: Tensor, keys: Tensor, features: Tensor, P: Tensor) -> Tensor:
    """tanh(q + k + P f): (n,t,W), (n,S,W), (n,t,S,F) -> (n,t,S,W)."""
    return (features @ P.mT).add_(query[:, :, None]).add_(keys[:, None]).tanh_()
