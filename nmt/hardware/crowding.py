"""Other programs on the cores of this training: how long its threads have to wait for one.

The threads of a product wait for each other at its end. Where more programs compute than there are
cores, one of them is put aside for a while, and all others of the training stand still as well.
"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import torch

TASKS = Path("/proc/self/task")
SECONDS = 20.0  # that are watched before anything is said
CROWDED = 0.6  # share of the time in which threads could compute and had no core


class Crowding:
    """Says once that the threads of this process have to wait too long for a core.

    Linux counts it for every thread; elsewhere, and with one thread, nothing is said.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock, self.start = clock, clock()
        self.before = waited_and_ran()
        self.watching = torch.get_num_threads() > 1

    def advice(self, again: str) -> str | None:
        """Return what to do, if there is something to say by now; ``again`` resumes the run."""
        if not self.watching or self.clock() - self.start < SECONDS:
            return None
        after = waited_and_ran()
        waited, ran = (now - then for now, then in zip(after, self.before, strict=True))
        share = waited / max(waited + ran, 1)
        self.start, self.before = self.clock(), after
        if share < CROWDED:
            return None
        self.watching = False
        return (
            f"other programs use the cores: the {torch.get_num_threads()} threads of this training "
            f"waited {share:.0%} of their time for one, and for each other. One thread may be "
            f"faster now: stop with Ctrl-C, then {again} threads=1"
        )


def waited_and_ran() -> tuple[int, int]:
    """Return the nanoseconds that all threads waited for a core, and that they ran; or zeros."""
    waited = ran = 0
    for task in TASKS.glob("*/schedstat"):
        try:
            ran_here, waited_here, _ = map(int, task.read_text().split())
        except (OSError, ValueError):  # a thread that has ended
            continue
        waited, ran = waited + waited_here, ran + ran_here
    return waited, ran
