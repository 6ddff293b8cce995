"""Layers one upon the other."""

from collections.abc import Iterator
from typing import Generic, TypeVar, cast

from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


class Stack(nn.ModuleList, Generic[Layer]):
    """Layers of one type, the bottom one first."""

    def __getitem__(self, index: int) -> Layer:  # type: ignore[override]
        """Return a layer."""
        return cast(Layer, super().__getitem__(index))

    def __iter__(self) -> Iterator[Layer]:  # type: ignore[override]
        """Go up."""
        return (self[index] for index in range(len(self)))
