"""Time by parts, on a device that may still be at work when a call has returned."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch


def now(device: torch.device) -> float:
    """Seconds on a clock, read when the device has done all that it was asked for."""
    if device.type == "cuda":  # a CPU always has
        torch.cuda.synchronize(device)
    return perf_counter()


class Clock:
    """Seconds by part. A part inside another one counts for itself alone.

    ``read`` gives the time at a border between two parts.
    """

    def __init__(self, read: Callable[[], float]) -> None:
        self.read = read
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._last = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is done inside the block for a part."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        time = self.read()
        if self._open:
            self.seconds[self._open[-1]] += time - self._last
        self._last = time
