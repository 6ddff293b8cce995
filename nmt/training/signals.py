"""Signals that ask training to end."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Self

# Ctrl-C; shutdown and preemption; Slurm's warning; a terminal that was closed.
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class Stop(BaseException):
    """Training has stopped where it can be resumed; not an Exception, like KeyboardInterrupt."""


class Signals:
    """Inside the block the first of the signals in ``NAMES`` raises Stop, or is remembered.

    While ``patient``, the current work is finished first: ``asked`` then has the name of the
    signal. A second SIGINT always raises KeyboardInterrupt, at once. SIGHUP stays ignored if it
    was, as under nohup. After the block the earlier handlers are back.
    """

    def __init__(self) -> None:
        self.patient = False
        self.asked: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Install the handlers, if this thread may."""
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.Signals[name] for name in NAMES if hasattr(signal, name)]
            heard = [number for number in numbers if not is_ignored_hangup(number)]
            self._before = {number: signal.signal(number, self._come) for number in heard}
        return self

    def __exit__(self, *error: object) -> None:
        """Put the earlier handlers back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _come(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        if not self.patient:
            raise Stop(f"{self.asked}: stopped")
        # Not by print: the signal may have come in the middle of one. The terminal may be gone.
        with suppress(OSError):
            os.write(
                2, f"nmt: {self.asked}: stopping after this step; Ctrl-C stops at once\n".encode()
            )


def is_ignored_hangup(number: signal.Signals) -> bool:
    """Tell whether a signal is SIGHUP and the caller wants it ignored."""
    return number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN
