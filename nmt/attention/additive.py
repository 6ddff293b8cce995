"""v·tanh(q + k) for every pair of query and key, without holding every pair at once."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

BLOCK = 1 << 18  # numbers in a temporary


class _Additive(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, keys, v):
        ctx.save_for_backward(query, keys, v)
        scores = query.new_empty(query.shape[:-1] + keys.shape[-2:-1])
        for n, t in _blocks(query, keys):
            h = (query[n, t, None] + keys[n, None]).tanh_()
            scores[n, t] = h @ v
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        query, keys, v = ctx.saved_tensors
        dq = torch.zeros_like(query)
        dk = torch.zeros_like(keys)
        dv = torch.zeros_like(v)
        for n, t in _blocks(query, keys):
            h = (query[n, t, None] + keys[n, None]).tanh_()
            g = grad[n, t]
            dv += g.reshape(-1) @ h.flatten(0, 2)
            d = h.square_().neg_().add_(1).mul_(g[..., None])
            dq[n, t] = d.sum(2)
            dk[n] += d.sum(1)
        return dq.mul_(v), dk.mul_(v), dv


def _blocks(query, keys):
    num, num_queries = query.shape[:2]
    row = keys[0].numel()
    t = max(1, min(num_queries, BLOCK // row))
    n = max(1, BLOCK // (row * t))
    for i in range(0, num, n):
        for j in range(0, num_queries, t):
            yield slice(i, i + n), slice(j, j + t)


def additive(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """v·tanh(q + k): (...,T,W), (...,S,W), (W) -> (...,T,S)."""
    keys, v = keys.to(query.dtype), v.to(query.dtype)
    flat = _Additive.apply(query.flatten(0, -3), keys.flatten(0, -3), v)
    return flat.unflatten(0, query.shape[:-2])
