"""What processes of a pool do in tests; it imports little, since each of them imports it."""

import os
import signal


def process_of(number: int) -> tuple[int, int]:
    """The number, and the process that had it."""
    return number, os.getpid()


def end(number: int) -> int:
    """One of the processes is killed."""
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
