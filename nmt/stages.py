"""What is under way, told to whoever shows it; where nobody listens, nothing happens.

What takes time says so here, wherever it is in the program. A command listens, and shows it:
:mod:`nmt.terminal.progress`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Listener(Protocol):
    """Shows what is under way."""

    def stage(self, text: str) -> None:
        """Show what begins now."""

    def part(self, text: str) -> None:
        """Show which part of a stage begins now, if it may take a while."""

    def count(self, done: int, total: int | None) -> None:
        """Show how far the stage is; ``total`` is None where it is not known."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Tell a listener, in this thread, all that happens in the block; None: nobody."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def heard() -> bool:
    """Tell whether somebody listens."""
    return _listener.get() is not None


def stage(text: str) -> None:
    """Say what begins now."""
    if listener := _listener.get():
        listener.stage(text)


def part(text: str) -> None:
    """Say which part of a stage begins now."""
    if listener := _listener.get():
        listener.part(text)


def count(done: int, total: int | None = None) -> None:
    """Say how far the stage is."""
    if listener := _listener.get():
        listener.count(done, total)


def counted(
    items: Iterable[Item], total: int | None = None, size: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """Yield items, and say after each how much is done: a sum of sizes, or how many items."""
    done = 0
    for item in items:
        yield item
        done += size(item)
        count(done, total)
