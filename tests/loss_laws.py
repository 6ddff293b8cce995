"""What both losses that compute their own gradients promise."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nmt.training import loss as losses


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
