"""The steps of a search as CUDA graphs, where no shape changes from one to the next.

A model takes hundreds of small kernels to read one more piece of each hypothesis, and the search a
hundred to choose among what may follow. Python takes longer to ask for them than a GPU to do them.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nmt.decoding.search import Beam, Length, Take, Turn
from nmt.recording import Pool

MOST = 4  # shapes of which graphs are kept, each with a copy of all that is remembered
OFTEN = 8  # steps of a shape before it is recorded, which takes as long as some of them


def tensors(part: Any) -> list[Tensor]:
    """All tensors of a tensor or of tuples of them."""
    return [part] if isinstance(part, Tensor) else [one for each in part for one in tensors(each)]


def shapes(part: Any) -> tuple[torch.Size, ...]:
    """Their shapes."""
    return tuple(tensor.shape for tensor in tensors(part))


def cloned(part: Any) -> Any:
    """The same with tensors of its own: a tensor, a tuple or a NamedTuple."""
    if isinstance(part, Tensor):
        return part.clone(memory_format=torch.contiguous_format)
    return type(part)(*map(cloned, part)) if hasattr(part, "_fields") else tuple(map(cloned, part))


class CudaGraph:
    """A step for hypotheses of some shapes. What it gives stays until it is asked again.

    Graphs of a ``pool`` use the same memory in turns.
    """

    def __init__(self, take: Take, now: Beam, memory: Any, pool: Pool) -> None:
        self.now = cloned(now)
        self.memory = cloned(memory)
        self.of = memory
        self.length = now.limit.new_zeros(())
        with pool.recording() as self.graph:
            self.found = take(self.now, self.memory, self.length)

    def __call__(self, now: Beam, memory: Any, length: Length) -> Turn:
        """Take a step."""
        if memory is not self.of:
            self.of = memory
            torch._foreach_copy_(tensors(self.memory), tensors(memory))  # type: ignore[attr-defined]
        torch._foreach_copy_(tensors(self.now), tensors(now))  # type: ignore[attr-defined]
        self.length.fill_(length)
        self.graph.replay()
        return self.found


def cuda_graphs() -> Callable[[Take, Beam, Any], Take]:
    """Return what records graphs that share their memory."""
    return partial(CudaGraph, pool=Pool())


class Recorder:
    """Steps, recorded for the shapes that they leave as they are when these have come often.

    The weights must stay where they are as long as this is used, also those that autocast has
    converted.
    """

    def __init__(self, record: Callable[[Take, Beam, Any], Take]) -> None:
        self.record = record
        self.taken: Counter[Any] = Counter()  # steps of shapes that last
        self.recorded: dict[Any, Take] = {}

    def __call__(self, take: Take, how: Any) -> Take:
        """Return what takes the steps of a search, which ``how`` and the model decide on."""
        return partial(self.take, take, how)

    def take(self, take: Take, how: Any, now: Beam, memory: Any, length: Length) -> Turn:
        """Take a step."""
        given = how, shapes(now), shapes(memory)
        if self.taken[given] == OFTEN:
            if len(self.recorded) == MOST:
                self.recorded.pop(next(iter(self.recorded)))  # the oldest
            self.recorded[given] = self.record(take, now, memory)
            self.taken[given] = 0
        if given in self.recorded:
            return self.recorded[given](now, memory, length)
        found = take(now, memory, length)
        if shapes(found.state) == shapes(now.state):
            self.taken[given] += 1
        return found
