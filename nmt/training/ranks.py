"""What processes that train together agree on and divide; here for one that trains alone."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import BatchLoss

T = TypeVar("T")


class Ranks:
    """One process alone: what several do together, it does by itself."""

    rank = 0  # of this process, from 0
    size = 1  # number of processes

    @property
    def first(self) -> bool:
        """Whether this process writes the log, the checkpoints and the results."""
        return self.rank == 0

    def in_words(self) -> str:
        """Say of the processes who holds the parameters, before what each computes with."""
        return ""

    def gathered(self, mine: T) -> list[T]:
        """Return what each process has, by rank. All of them have to call this."""
        return [mine]

    def summed(self, mine: Tensor) -> Tensor:
        """Add up a tensor of the same shape over the processes."""
        return mine

    def copy_first(self, model: nn.Module) -> None:
        """Put the first process's weights into the model of every process."""

    def check(self, optimizer: torch.optim.Optimizer) -> None:
        """Raise UserError for an optimizer that cannot train what :meth:`shard` returns."""

    def shard(self, model: Seq2Seq) -> Seq2Seq:
        """Return the model to train: this one, or one of whose weights each process has a part."""
        return model

    def unsharded(self) -> AbstractContextManager[None]:
        """Have the trained weights in the model that was given to :meth:`shard`, in the block."""
        return nullcontext()

    def full(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of the trained model whole, to the first process at least."""
        return tensors

    def objective(self, model: Seq2Seq, loss: BatchLoss) -> BatchLoss:
        """Return the loss whose backward pass has the mean of all processes' gradients come out."""
        return loss

    def apart(self) -> AbstractContextManager[None]:
        """Keep the gradients of the block in this process, to be added to those that come next."""
        return nullcontext()

    def draw(self, step: int) -> None:
        """Draw an update's random numbers; each process has its own."""

    def mine(self, items: Sequence[T]) -> list[T]:
        """Return what this process does of items: every ``size``-th from its rank on."""
        return list(items[self.rank :: self.size])

    def merged(self, mine: list[T]) -> list[T]:
        """Return in their order the items of which each process has its :meth:`mine`."""
        parts = self.gathered(mine)
        number = sum(map(len, parts))
        return [parts[place % self.size][place // self.size] for place in range(number)]

    def agreed(self, mine: T) -> T:
        """Return what the first process has."""
        return self.gathered(mine)[0]

    def wait(self) -> None:
        """Go on when every process is here."""
        self.gathered(None)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let the first process of each machine through the block before the others."""
        waits = self.size > 1 and int(os.environ.get("LOCAL_RANK", "0")) > 0
        if waits:
            self.wait()
        yield
        if not waits:
            self.wait()
