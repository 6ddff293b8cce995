"""Processes that train together, each with all of the weights (torch's DistributedDataParallel)."""

from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.batches.batch import Batch
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import BatchLoss, Loss
from nmt.training.ranks import Ranks

T = TypeVar("T")


class Together(Ranks):
    """One of several processes, connected by torch.distributed, each of which has all weights."""

    def __init__(self, seed: int) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.seed = seed
        self.replica: DistributedDataParallel | None = None

    def in_words(self) -> str:
        """Describe the processes and who holds the parameters, before what each computes with."""
        return f"{self.size} processes, each with "

    def gathered(self, mine: T) -> list[T]:
        """Return the value of each process, by rank. All of them have to call this."""
        found: list[T | None] = [None] * self.size
        dist.all_gather_object(found, mine)
        return found  # type: ignore[return-value]

    def summed(self, mine: Tensor) -> Tensor:
        """Add up a tensor of the same shape over the processes."""
        mine = mine.clone()
        dist.all_reduce(mine)
        return mine

    def copy_first(self, model: nn.Module) -> None:
        """Put the first process's weights into the model of every process."""
        for parameter in model.parameters():
            dist.broadcast(parameter.detach(), src=0)

    def objective(self, model: Seq2Seq, loss: BatchLoss) -> BatchLoss:
        """Return the loss whose backward pass computes the mean of all processes' gradients."""
        replica = DistributedDataParallel(Objective(model), gradient_as_bucket_view=True)
        self.replica = replica
        return lambda _, batch, smoothing: replica(loss, batch, smoothing)

    def apart(self) -> AbstractContextManager[None]:
        """Keep the gradients of the block in this process, to be added to those that come next."""
        assert self.replica is not None
        return self.replica.no_sync()

    def draw(self, step: int) -> None:
        """Draw an update's random numbers; each process has its own.

        Those of the first process continue from update to update and are in checkpoints; those of
        the others depend only on seed, update and rank, so that checkpoints need not store them.
        """
        if not self.first:
            seed = np.random.SeedSequence([self.seed, step, self.rank])
            torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))


class Objective(nn.Module):
    """A model whose forward pass is the loss: processes replicate or divide it."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: BatchLoss, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of a batch."""
        return loss(self.model, batch, smoothing)
