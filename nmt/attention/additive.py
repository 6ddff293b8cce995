"""v·tanh(q + k) for every query and key: the dear part of the additive scores, made cheap.

Written down as it stands, `tanh(q[:, :, None] + k[:, None]) @ v`, it holds B·T·S·W numbers and
takes a tanh of each. Two things are different here:

- With r = 1 / (1 + e^2q·e^2k), tanh(q + k) = 1 - 2r. Exponentials are taken of the queries and of
  the keys, not of their pairs; a pair costs one product and one reciprocal.
- The pairs are visited block by block, each small enough for a cache, and visited again in the
  backward pass, so that memory holds one block and never all pairs.

For B = 150, T = S = 20, W = 512 and one core (float32, forward and backward): 50 ms instead of 380.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SATURATED = 40.0  # tanh(40) = 1 to the last bit, and e^80 and e^-80 are still numbers in float32
CPU_BLOCK = 1 << 18  # pairs times width: 1 MiB in float32, what a core's second cache holds
GPU_BLOCK = 1 << 26  # 256 MiB: there, few large kernels are better than many small ones


def exponential(x: Tensor) -> Tensor:
    """e^2x, the form in which `additive` takes queries and keys; never less than float32."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return (2 * x.clamp(-SATURATED, SATURATED)).exp()


def additive(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """v·tanh(q + k) for all pairs: e^2q (...,T,W), e^2k (...,S,W), v (W) -> (...,T,S).

    Differentiable once.
    """
    flat_query = query.reshape(-1, *query.shape[-2:])  # (B,T,W)
    flat_keys = keys.reshape(-1, *keys.shape[-2:])  # (B,S,W)
    scores: Tensor = _Additive.apply(flat_query, flat_keys, v.to(query.dtype))  # (B,T,S)
    return scores.reshape(*query.shape[:-1], keys.shape[-2])


class _Additive(torch.autograd.Function):
    """Σ_w v_w (1 - 2r), r = 1 / (1 + e^2q·e^2k)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(query, keys, v)
        scores = query.new_empty(*query.shape[:2], keys.shape[1])  # (B,T,S)
        with torch.autocast(query.device.type, enabled=False):
            for b, t in _blocks(query, keys):
                scores[b, t] = _r(query[b, t], keys[b]) @ v
        return v.sum() - 2 * scores

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]: the decorator's fault
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """From d tanh(x) = 4r(1-r) dx, and x = q + k, and d(e^2x) = 2 e^2x dx."""
        query, keys, v = ctx.saved_tensors
        d_query, d_keys, d_v = (torch.zeros_like(x) for x in (query, keys, v))
        with torch.autocast(query.device.type, enabled=False):
            for b, t in _blocks(query, keys):
                r = _r(query[b, t], keys[b])  # (b,t,S,W)
                g = grad[b, t]  # (b,t,S)
                d_v += g.flatten() @ r.flatten(0, 2)
                slope = torch.ops.aten.sigmoid_backward(g[..., None], r)  # g·r(1-r)
                d_query[b, t] = slope.sum(2)
                d_keys[b] += slope.sum(1)
        for d_x, x in ((d_query, query), (d_keys, keys)):
            d_x.mul_(2 * v).div_(x)
        return d_query, d_keys, grad.sum() - 2 * d_v


def _r(query: Tensor, keys: Tensor) -> Tensor:
    """1 / (1 + e^2q·e^2k): (B,T,W), (B,S,W) -> (B,T,S,W)."""
    return torch.addcmul(query.new_ones(()), query[:, :, None], keys[:, None]).reciprocal_()


def _blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Sentences and queries, sliced so that a block of them with all keys has a bounded size."""
    block = GPU_BLOCK if query.is_cuda else CPU_BLOCK
    num_sentences, num_queries = query.shape[:2]
    pairs = keys.shape[1] * keys.shape[2]  # of one query
    t = min(num_queries, max(1, block // pairs))
    b = max(1, block // (pairs * t))
    for i in range(0, num_sentences, b):
        for j in range(0, num_queries, t):
            yield slice(i, i + b), slice(j, j + t)
