"""Connects the processes that torchrun has started, one per GPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from nmt.errors import UserError
from nmt.training.ranks import Ranks
from nmt.training.together import Together

PATIENCE = timedelta(hours=6)  # the others wait while one process prepares a large corpus


def several() -> bool:
    """Whether this process is one of several, by the variables of torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def connected(seed: int, device: str, shard: bool) -> Iterator[Ranks]:
    """Connect to the other processes that torchrun has started, if it has.

    With ``shard`` they divide the weights; one alone has them all. Each takes the GPU of its number
    on the machine, unless ``device=cpu``. UserError where there are fewer GPUs, and for the name of
    a single one.
    """
    if not several():
        yield Ranks()
        return
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={device}: several processes use one GPU each: type device=cuda")
    with_gpus = device != "cpu" and torch.cuda.is_available()
    if with_gpus:
        take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if with_gpus else "gloo", timeout=PATIENCE)
    try:
        yield kind(shard)(seed)
    finally:
        dist.destroy_process_group()


def kind(shard: bool) -> type[Together]:
    """Return the class of ranks. The one that divides weights takes a second to import."""
    if not shard:
        return Together
    from nmt.training.shards import Sharded

    return Sharded


def take_gpu(number: int) -> None:
    """Make ``cuda`` mean this GPU. UserError if this machine does not have it."""
    there = torch.cuda.device_count()
    if number >= there:
        raise UserError(
            f"process {number + 1} on this machine has no GPU: there are {there}; use torchrun "
            f"--nproc-per-node={there}"
        )
    torch.cuda.set_device(number)
