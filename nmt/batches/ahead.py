"""What is asked for next, made while what came before it is still in use."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(source: Iterator[Item], depth: int) -> Generator[Item]:
    """Yield what ``source`` yields, of which a thread makes ``depth`` items ahead.

    An error of the source is raised where its item would have been. Where this generator is closed
    before its end, the source has given up to ``depth`` items more than were taken.
    """
    end = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = deque(thread.submit(next, source, end) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(next, source, end))
                yield item  # type: ignore[misc] it is not `end`
        finally:
            for future in waiting:
                future.cancel()
