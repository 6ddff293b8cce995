"""Items that a thread makes ahead."""

import threading
from collections.abc import Iterator

import pytest

from nmt.batches.ahead import ahead


def numbers(made: list[int], upto: int) -> Iterator[int]:
    """Count, and say what was made by which thread."""
    for number in range(upto):
        made.append(number)
        yield number


def test_all_come_in_their_order():
    assert list(ahead(numbers([], 100), 3)) == list(range(100))
    assert list(ahead(numbers([], 0), 3)) == []


def test_as_many_are_made_ahead_and_no_more():
    made: list[int] = []
    found = ahead(numbers(made, 100), 3)
    assert made == [], "nothing before somebody asks"
    assert [next(found), next(found)] == [0, 1]
    found.close()
    assert 2 <= len(made) <= 5


def test_another_thread_makes_them():
    def names() -> Iterator[str]:
        while True:
            yield threading.current_thread().name

    found = ahead(names(), 1)
    assert next(found) != threading.current_thread().name
    before = threading.active_count()
    found.close()
    assert threading.active_count() == before - 1


def test_an_error_comes_in_its_place():
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    found = ahead(broken(), 3)
    assert next(found) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)
    assert list(found) == []
