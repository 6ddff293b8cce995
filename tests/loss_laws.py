"""The loss of one pass and of two, and what both promise."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from nmt.training import loss as losses
from nmt.training.rows import Rows, rows_in_place, rows_of_two, without_gradient


def cross_entropy(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    smoothing: float,
    padding: bool = False,
    rows: Rows = rows_in_place,
) -> tuple[Tensor, ...]:
    """Smoothed and plain, of features (N,R)."""
    rows = rows if torch.is_grad_enabled() else without_gradient
    return losses.SummedLoss.apply(x[None], weight, bias, target, smoothing, padding, rows)[:2]


def of_two(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    smoothing: float,
    shares: tuple[float, float],
    consistency: float,
) -> tuple[Tensor, ...]:
    """The objective of two passes (2,N,R) and its parts, see :func:`rows_of_two`."""
    rows = partial(rows_of_two, shares=shares, weight=consistency)
    return losses.SummedLoss.apply(x, weight, bias, target, smoothing, False, rows)[:4]


def hold_rows(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let at most that many rows of logits be multiplied at a time, and 30 numbers be held."""
    monkeypatch.setattr(losses, "ROWS", rows)
    monkeypatch.setattr(losses, "HELD", 30)


def half_is_for_products(
    loss: Callable[..., Tensor],
    leaves: tuple[Tensor, ...],
    *,
    rtol: float,
    gradient_rtol: float,
    gradient_atol: float,
) -> None:
    """Under autocast, values and gradients stay float32 and near those without it."""
    exact = loss(*leaves)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = loss(*leaves)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, exact, rtol=rtol, atol=0.0)
    ours = torch.autograd.grad(coarse, leaves)
    theirs = torch.autograd.grad(exact, leaves)
    for gradient, other in zip(ours, theirs, strict=True):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, other, rtol=gradient_rtol, atol=gradient_atol)
