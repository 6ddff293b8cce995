"""What a law is: a function that measures, and raises Broken where the law does not hold."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

TOLERANCE = 1e-7  # of float64, relative and absolute


class Broken(AssertionError):
    """A law does not hold; the message has the numbers that show it."""


def require(fact: bool | Tensor, reason: str) -> None:
    """Raise Broken, with a reason, for what is not a fact."""
    if not bool(fact):
        raise Broken(reason)


def same(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference of what is to be the same but for rounding; else Broken."""
    require(
        found.shape == expected.shape,
        f"the shape is {tuple(found.shape)} in the place of {tuple(expected.shape)}",
    )
    both = torch.isclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
    error = (found - expected).abs().nan_to_num(float("inf"))
    error = error.masked_fill(found == expected, 0.0).detach()  # -inf - -inf is nan
    largest = float(error.max()) if error.numel() else 0.0
    require(both.all(), f"{int((~both).sum())} of {both.numel()} numbers differ, by {largest:.1e}")
    return largest


def require_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Raise Broken where the gradient of a function of float64 is not its derivative."""
    try:
        gradcheck(function, inputs)
    except GradcheckError as error:
        reason = str(error).strip().partition("\n")[0]
        raise Broken(f"the gradient is not that of finite differences: {reason}") from error
