"""The exponential moving average of the weights: evaluated and kept, but not trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.runs.checkpoint import put
from nmt.runs.tensors import shard_like


class EMA:
    """After update t the average becomes d · average + (1 - d) · weights.

    d = min(decay, (1 + t) / (10 + t)): with the second bound the average soon forgets the first
    updates (num_updates of TensorFlow's ExponentialMovingAverage). A decay of 0.999 averages about
    the last 1,000 updates.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.average = weights(model)

    def update(self, step: int) -> None:
        """Add the weights after update ``step``, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            names, parameters = zip(*self.model.named_parameters(), strict=True)
            averages = [self.average[name] for name in names]
            torch._foreach_lerp_(averages, list(parameters), 1 - decay)  # type: ignore[attr-defined]

    def restore(self, kept: dict[str, Tensor] | None) -> None:
        """Continue from a stored average; None: begin with the current weights."""
        for name, tensor in (kept or weights(self.model)).items():
            average = self.average[name]
            average.copy_(shard_like(average, tensor))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Replace the weights by the average inside the block."""
        trained = weights(self.model)
        put(self.model, self.average)
        try:
            yield
        finally:
            put(self.model, trained)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy the model's parameters, each once though it may have several names."""
    return {
        name: parameter.detach().clone(memory_format=torch.contiguous_format)
        for name, parameter in model.named_parameters()
    }
