"""Applies a function to many blocks of a corpus, in separate processes."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from nmt.errors import UserError

Block = TypeVar("Block")
Result = TypeVar("Result")

FEW = 20  # blocks: encoding two of them takes as long as starting a process
AHEAD = 3  # blocks per process that may be in work or waiting

_work: dict[str, Callable[[Any], Any]] = {}  # of a process of the pool


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[Block], Result], blocks: Iterable[Block]) -> Iterator[Result]:
    """Yields function(block) for each block, in order.

    It starts a process per core, or none for few blocks, and reads only a few blocks ahead. The
    processes end with the generator, and with this process, however it ends. UserError if one of
    them is killed.
    """
    blocks = iter(blocks)
    first = list(islice(blocks, FEW + 1))
    if len(first) <= FEW or cores() == 1:
        yield from map(function, chain(first, blocks))
        return
    # Spawned: after a fork, locks that other threads held stay locked forever.
    pool = ProcessPoolExecutor(cores(), get_context("spawn"), _begin, (function,))
    waiting: deque[Future[Result]] = deque()
    try:
        for block in chain(first, blocks):
            waiting.append(pool.submit(_call, block))
            if len(waiting) > AHEAD * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that prepared the corpus was killed, probably for lack of memory: free "
            "some, or use fewer cores (taskset --cpu-list 0 nmt train …)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(function: Callable[[Any], Any]) -> None:
    """Stores the function of a process. Ctrl-C is handled by the parent, with which it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work["function"] = function


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _call(block: Any) -> Any:
    return _work["function"](block)
