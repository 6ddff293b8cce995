"""Tensors in tuples of tuples: what a model remembers, a batch, a loss."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Nested = TypeVar("Nested")  # a tensor, or a tuple or NamedTuple of such and of what is none


def each(nested: Nested, change: Callable[[Tensor], Tensor]) -> Nested:
    """The same with each tensor changed, in their order; anything else stays."""
    found: Any = nested
    if isinstance(found, Tensor):
        return change(found)  # type: ignore[return-value]
    if not isinstance(found, tuple):
        return nested
    parts = [each(part, change) for part in found]
    return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)  # type: ignore[return-value]


def tensors(nested: Any) -> list[Tensor]:
    """All of the tensors, in their order."""
    found: list[Tensor] = []
    each(nested, lambda tensor: found.append(tensor) or tensor)
    return found
