"""The passes over a batch as CUDA graphs: recorded once for each shape, replayed from then on.

For a small model, or a decoder that loops over positions, a GPU runs kernels faster than Python can
launch them one by one. A recorded graph is launched as a whole. Its kernels and their random
numbers are those of the passes themselves, and so is its gradient, bit for bit.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.hardware.cuda_graphs import Pool
from nmt.hardware.nested import each
from nmt.training.loss import Loss

# Batches are padded to multiples of these, so that shapes repeat.
SENTENCES = 8
PIECES = 4
MOST = 256  # shapes that are recorded, megabytes each; others are not recorded

Passes = Callable[[Batch, Tensor], Loss]  # the gradient of a batch, divided by (), is added


class Shape(NamedTuple):
    """What batches need to have in common for one graph."""

    source: torch.Size
    target: torch.Size
    guided: bool


class CudaGraph:
    """The passes over batches of one shape.

    Graphs of a ``pool`` share memory, in turns. Each adds to the gradients where these were when it
    was recorded, so they must not move.
    """

    def __init__(self, passes: Passes, batch: Batch, divisor: Tensor, pool: Pool) -> None:
        self.batch = each(batch, Tensor.clone)
        self.divisor = divisor.clone()
        with pool.recording() as self.graph:
            self.loss = passes(self.batch, self.divisor)

    def __call__(self, batch: Batch, divisor: Tensor) -> Loss:
        """Add the gradient of a batch of that shape."""
        self.batch.source.copy_(batch.source)
        self.batch.target.copy_(batch.target)
        if self.batch.guide is not None and batch.guide is not None:
            self.batch.guide.copy_(batch.guide)
        self.divisor.copy_(divisor)
        self.graph.replay()
        return each(self.loss, Tensor.clone)


RecordPasses = Callable[[Passes, Batch, Tensor], Passes]


def cuda_graphs() -> RecordPasses:
    """Return what records graphs that share their memory."""
    return partial(CudaGraph, pool=Pool())


class PassRecorder:
    """Passes over padded batches, with the graph of their shape if there is one.

    The first batch of a shape goes through ``passes`` itself, which also initializes the kernels;
    at the second one the shape is recorded.
    """

    def __init__(self, passes: Passes, record: RecordPasses) -> None:
        self.passes = passes
        self.record = record
        self.seen: set[Shape] = set()
        self.recorded: dict[Shape, Passes] = {}

    def __call__(self, batch: Batch, divisor: Tensor) -> Loss:
        """Add the gradient of a batch, divided by ``divisor`` ()."""
        batch = batch.padded(SENTENCES, PIECES)
        shape = Shape(batch.source.shape, batch.target.shape, batch.guide is not None)
        if shape in self.seen and shape not in self.recorded and len(self.recorded) < MOST:
            self.recorded[shape] = self.record(self.passes, batch, divisor)
        self.seen.add(shape)
        return self.recorded.get(shape, self.passes)(batch, divisor)
