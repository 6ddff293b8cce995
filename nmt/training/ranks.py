"""What processes that train together share and divide; here for a single process."""

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
        """Describe the processes and who holds the parameters, before what each computes with."""
        return ""

    def gathered(self, mine: T) -> list[T]:
        """Return the value of each process, by rank. All of them have to call this."""
        return [mine]

    def summed(self, mine: Tensor) -> Tensor:
        """Add up a tensor of the same shape over the processes."""
        return mine

    def copy_first(self, model: nn.Module) -> None:
        """Put the first process's weights into the model of every process."""

    def check(self, optimizer: torch.optim.Optimizer) -> None:
        """Raise UserError for an optimizer that cannot train what :meth:`shard` returns."""

    def shard(self, model: Seq2Seq) -> Seq2Seq:
        """Return the model to train: this one, or one with its weights divided among processes."""
        return model

    def unsharded(self) -> AbstractContextManager[None]:
        """Have the trained weights, inside the block, in the model given to :meth:`shard`."""
        return nullcontext()

    def full(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of the trained model whole, to the first process at least."""
        return tensors

    def objective(self, model: Seq2Seq, loss: BatchLoss) -> BatchLoss:
        """Return the loss whose backward pass computes the mean of all processes' gradients."""
        return loss

    def apart(self) -> AbstractContextManager[None]:
        """Keep the gradients of the block in this process, to be added to those that come next."""
        return nullcontext()

    def draw(self, step: int) -> None:
        """Draw an update's random numbers; each process has its own."""

    def mine(self, items: Sequence[T]) -> list[T]:
        """Return the items of this process: every ``size``-th from its rank on."""
        return list(items[self.rank :: self.size])

    def merged(self, mine: list[T]) -> list[T]:
        """Return all items in order, from the :meth:`mine` of each process."""
        parts = self.gathered(mine)
        number = sum(map(len, parts))
        return [parts[place % self.size][place // self.size] for place in range(number)]

    def agreed(self, mine: T) -> T:
        """Return the value of the first process."""
        return self.gathered(mine)[0]

    def wait(self) -> None:
        """Wait until every process is here."""
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
