"""The steps of a search as CUDA graphs, where a state does not grow as it goes on.

A model takes hundreds of small kernels to read one more piece of each hypothesis, and Python longer
to ask for them than a GPU to do them. Most steps of a batch have the same shapes.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

MOST = 8  # shapes of which graphs are kept, each with a copy of all that is remembered
OFTEN = 8  # steps of a shape before it is recorded, which takes as long as about twenty

Step = Callable[[Tensor, Any, Any], tuple[Tensor, Any]]


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
    """A step for hypotheses of some shapes. What it gives stays until it is asked again."""

    def __init__(self, step: Step, tokens: Tensor, state: Any, memory: Any) -> None:
        self.given = cloned(tokens), cloned(state)
        self.memory = cloned(memory)
        self.of = memory
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.found = step(*self.given, self.memory)

    def __call__(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """Take a step."""
        if memory is not self.of:
            self.of = memory
            torch._foreach_copy_(tensors(self.memory), tensors(memory))  # type: ignore[attr-defined]
        torch._foreach_copy_(tensors(self.given), tensors((tokens, state)))  # type: ignore[attr-defined]
        self.graph.replay()
        return self.found


class Recorder:
    """A step, recorded for the shapes that it leaves as they are when these have come often."""

    def __init__(self, step: Step, record: Callable[[Step, Tensor, Any, Any], Step]) -> None:
        self.step = step
        self.record = record
        self.taken: Counter[Any] = Counter()  # steps of shapes that last
        self.recorded: dict[Any, Step] = {}

    def __call__(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """Take a step."""
        given = tokens.shape, shapes(state), shapes(memory)
        if self.taken[given] == OFTEN:
            if len(self.recorded) == MOST:
                self.recorded.pop(next(iter(self.recorded)))  # the oldest
            self.recorded[given] = self.record(self.step, tokens, state, memory)
            self.taken[given] = 0
        if given in self.recorded:
            return self.recorded[given](tokens, state, memory)
        logits, after = self.step(tokens, state, memory)
        if shapes(after) == shapes(state):
            self.taken[given] += 1
        return logits, after


@contextmanager
def recorded_steps(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Have a GPU take the steps of a model in graphs, inside the block, if they last.

    The weights must stay where they are in the block, also those that autocast has converted.
    """
    if device.type != "cuda" or "step" in vars(model):
        yield
        return
    model.step = Recorder(model.step, CudaGraph)  # type: ignore[assignment]
    try:
        yield
    finally:
        del model.step
