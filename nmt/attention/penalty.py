"""Parts of a model that add a term of their own to the loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Penalized(nn.Module, ABC):
    """A part with a penalty, which its forward pass records inside `record_penalties`.

    It is computed there because processes that divide the weights of a model among them have those
    of a part together only in its forward pass.
    """

    record: list[Tensor] | None = None  # see `record_penalties`

    @abstractmethod
    def penalty(self) -> Tensor:
        """Return the term (), in nats per target piece."""

    def note_penalty(self) -> None:
        """Record the penalty; of several forward passes one counts, because all have the same."""
        if self.record is not None:
            self.record[:] = [self.penalty()]


def penalized(model: nn.Module) -> list[Penalized]:
    """Return the parts of a model that add a term."""
    return [part for part in model.modules() if isinstance(part, Penalized)]


@contextmanager
def record_penalties(model: nn.Module) -> Iterator[list[list[Tensor]]]:
    """Record the penalties of all parts, one list each, for the forward passes in the block."""
    parts = penalized(model)
    found: list[list[Tensor]] = [[] for _ in parts]
    try:
        for part, record in zip(parts, found, strict=True):
            part.record = record
        yield found
    finally:
        for part in parts:
            part.record = None
