"""The steps of a search as CUDA graphs, where no shape changes from one to the next.

A model needs hundreds of small kernels to read one more piece of each hypothesis, and the search a
hundred to choose among what may follow. Python takes longer to launch them than a GPU to run them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from nmt.decoding.search import Beam, Take, Turn
from nmt.hardware.cuda_graphs import Pool
from nmt.hardware.nested import each, tensors

COPIES = 2**32  # bytes of hypotheses and sources that graphs may keep, each its own


def shapes(part: Any) -> tuple[torch.Size, ...]:
    """Their shapes."""
    return tuple(tensor.shape for tensor in tensors(part))


def cloned(part: Any) -> Any:
    """Copy a tensor, a tuple or a NamedTuple with all its tensors."""
    return each(part, partial(torch.clone, memory_format=torch.contiguous_format))


def lasting(state: Any) -> list[torch.Size]:
    """The shapes of a state (B,K,...) that must stay for the next step to be the same graph."""
    return [shape[2:] for shape in shapes(state)]


class CudaGraph:
    """A step for hypotheses of some shapes. Its results are valid until it is called again.

    Graphs of a ``pool`` share memory, in turns. If as many hypotheses come out as went in, they are
    written to where the next step reads them.
    """

    def __init__(self, take: Take, now: Beam, memory: Any, pool: Pool) -> None:
        self.now = cloned(now)
        self.memory = cloned(memory)
        self.of = memory
        with pool.recording() as self.graph:
            self.found = take(self.now, self.memory)
            if shapes(self.found.next) == shapes(self.now):
                copy(self.found.next, self.now)
                self.found = Turn(self.now, self.found.told)

    def __call__(self, now: Beam, memory: Any) -> Turn:
        """Take a step."""
        if memory is not self.of:
            self.of = memory
            copy(memory, self.memory)
        if now is not self.now:
            copy(now, self.now)
        self.graph.replay()
        return self.found


def copy(given: Any, to: Any) -> None:
    """Write tensors, or tuples of them, into others."""
    torch._foreach_copy_(tensors(to), tensors(given))  # type: ignore[attr-defined]


def cuda_graphs() -> Callable[[Take, Beam, Any], Take]:
    """Return what records graphs that share their memory."""
    return partial(CudaGraph, pool=Pool())


class StepRecorder:
    """Steps, recorded when their shapes repeat, unless the next step cannot have the same shapes.

    The weights must stay where they are as long as this is used. Autocast converts them in every
    step, because it keeps nothing in inference mode.
    """

    def __init__(self, record: Callable[[Take, Beam, Any], Take]) -> None:
        self.record = record
        self.seen: set[Any] = set()  # shapes that last
        self.recorded: dict[Any, tuple[Take, int]] = {}  # with bytes; what was used last is last

    def __call__(self, take: Take, how: Any) -> Take:
        """Return the function that takes the steps of a search for ``how`` and the model."""
        return partial(self.take, take, how)

    def take(self, take: Take, how: Any, now: Beam, memory: Any) -> Turn:
        """Take a step."""
        given = how, shapes(now), shapes(memory)
        if given not in self.seen:
            found = take(now, memory)
            if lasting(found.next.state) == lasting(now.state):
                self.seen.add(given)
            return found
        if given in self.recorded:
            recorded, size = self.recorded.pop(given)
        else:
            size = sum(one.nbytes for one in tensors((now, memory)))
            self.make_room(size)
            recorded = self.record(take, now, memory)
        self.recorded[given] = recorded, size
        return recorded(now, memory)

    def make_room(self, size: int) -> None:
        """Forget the least recently used graphs, until there is room for copies of that size."""
        while self.recorded and sum(kept for _, kept in self.recorded.values()) + size > COPIES:
            self.recorded.pop(next(iter(self.recorded)))
