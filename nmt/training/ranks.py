"""The processes that train together, one a GPU, which torchrun starts; or one alone."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.batches.batch import Batch
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import BatchLoss, Loss

T = TypeVar("T")
PATIENCE = timedelta(hours=6)  # while one process prepares a large corpus the others wait for it


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

    def share(self, items: Sequence[T]) -> list[T]:
        """Return what this process does of items: every ``size``-th from its rank on."""
        return list(items[self.rank :: self.size])

    def merged(self, mine: list[T]) -> list[T]:
        """Return in their order the items of which each process has its :meth:`share`."""
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


class Together(Ranks):
    """One of several processes, connected by torch.distributed, each of which has all weights."""

    def __init__(self, seed: int) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.seed = seed
        self.replica: DistributedDataParallel | None = None

    def in_words(self) -> str:
        """Say of the processes who holds the parameters, before what each computes with."""
        return f"{self.size} processes, each with "

    def gathered(self, mine: T) -> list[T]:
        """Return what each process has, by rank. All of them have to call this."""
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
        """Return the loss whose backward pass has the mean of all processes' gradients come out."""
        replica = DistributedDataParallel(Objective(model), gradient_as_bucket_view=True)
        self.replica = replica
        return lambda _, batch, smoothing: replica(loss, batch, smoothing)

    def apart(self) -> AbstractContextManager[None]:
        """Keep the gradients of the block in this process, to be added to those that come next."""
        assert self.replica is not None
        return self.replica.no_sync()

    def draw(self, step: int) -> None:
        """Draw an update's random numbers; each process has its own.

        Those of the first go on from update to update and are kept in checkpoints; the others'
        depend on seed, update and rank alone, so that checkpoints need not hold them.
        """
        if not self.first:
            seed = np.random.SeedSequence([self.seed, step, self.rank])
            torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))


class Objective(nn.Module):
    """A model whose forward pass is a loss: what processes replicate or divide."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: BatchLoss, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of a batch."""
        return loss(self.model, batch, smoothing)


def several() -> bool:
    """Whether this process is one of several, as torchrun tells it."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def connected(seed: int, device: str, shard: bool) -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started, where it has.

    With ``shard`` they divide the weights; one alone has them all. Each takes the GPU of its number
    on the machine, but with ``device=cpu``. UserError where there are fewer, and for the name of
    one of them.
    """
    if not several():
        yield Ranks()
        return
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={device}: several processes take a GPU each: give device=cuda")
    with_gpus = device != "cpu" and torch.cuda.is_available()
    if with_gpus:
        take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if with_gpus else "gloo", timeout=PATIENCE)
    try:
        yield kind(shard)(seed)
    finally:
        dist.destroy_process_group()


def kind(shard: bool) -> type[Together]:
    """Return what each of several processes is. What divides weights takes a second to import."""
    if not shard:
        return Together
    from nmt.training.shards import Sharded

    return Sharded


def take_gpu(number: int) -> None:
    """Make ``cuda`` mean this GPU. UserError where there are fewer."""
    there = torch.cuda.device_count()
    if number >= there:
        raise UserError(
            f"process {number + 1} on this machine has no GPU of its own: there are {there}; give "
            f"torchrun --nproc-per-node={there}"
        )
    torch.cuda.set_device(number)
