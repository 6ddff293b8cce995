"""Models that are built for their shapes alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class NoDraws(TorchFunctionMode):
    """Skips the normal random numbers of initial weights.

    For weights without memory torch would import its compiler to draw them: over a second.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call everything else."""
        given = kwargs or {}
        if func is nn.init.normal_:
            return given["tensor"]
        return args[0] if func is Tensor.normal_ else func(*args, **given)


@contextmanager
def without_memory() -> Iterator[None]:
    """Build models in the block that take no memory: weights have shapes and no numbers."""
    with torch.device("meta"), NoDraws():
        yield
