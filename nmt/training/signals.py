"""Signals that ask training to end."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")  # Ctrl-C; shutdown and preemption; Slurm's warning


class Stop(BaseException):
    """Training has stopped where it can go on; not an Exception, as KeyboardInterrupt is none."""


class Signals:
    """Inside the block the first of SIGINT, SIGTERM and SIGUSR1 raises Stop, or is kept in mind.

    While ``patient``, the work under way is to be done first: ``asked`` then has the signal's name.
    A second SIGINT always raises KeyboardInterrupt, at once. What else was to handle these signals
    does so again after the block.
    """

    def __init__(self) -> None:
        self.patient = False
        self.asked: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Listen, where the system lets a thread do so."""
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
            self._before = {number: signal.signal(number, self._come) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        """Listen no more."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _come(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        if not self.patient:
            raise Stop(f"{self.asked}: stopped")
        # Not by print: the signal may have come in the middle of one.
        os.write(2, f"nmt: {self.asked}: stopping after this step; Ctrl-C ends at once\n".encode())
