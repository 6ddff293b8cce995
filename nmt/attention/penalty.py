"""Parts of a model that add a term of their own to what training goes down on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Penalized(nn.Module, ABC):
    """A part with a penalty, which its forward pass takes note of where somebody asks for it.

    It is computed there, and not afterwards, since processes that divide a model's weights have
    those of a part together in its forward pass alone.
    """

    record: list[Tensor] | None = None  # see `record_penalties`

    @abstractmethod
    def penalty(self) -> Tensor:
        """Return the term (), in nats per target piece."""

    def note_penalty(self) -> None:
        """Leave the penalty on record; one of several forward passes counts, as all are alike."""
        if self.record is not None:
            self.record[:] = [self.penalty()]


def penalized(model: nn.Module) -> list[Penalized]:
    """Return the parts of a model that add a term."""
    return [part for part in model.modules() if isinstance(part, Penalized)]


@contextmanager
def record_penalties(model: nn.Module) -> Iterator[list[list[Tensor]]]:
    """Have the penalties of all parts noted, one list each, for the forward passes in the block."""
    parts = penalized(model)
    found: list[list[Tensor]] = [[] for _ in parts]
    try:
        for part, record in zip(parts, found, strict=True):
            part.record = record
        yield found
    finally:
        for part in parts:
            part.record = None
