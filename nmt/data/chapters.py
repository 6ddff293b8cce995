"""Dev and test of a book: whole chapters, so that no verse has its neighbours in train."""

from collections.abc import Iterable
from random import Random
from typing import TypeVar

Chapter = TypeVar("Chapter", int, str, tuple[int, int])


def held_out(
    chapters: Iterable[Chapter], num_dev: int, num_test: int, seed: int
) -> dict[Chapter, str]:
    """The split of each chapter, train, dev or test; the same for the same chapters and seed."""
    order = sorted(set(chapters))
    Random(seed).shuffle(order)
    splits = ["dev"] * num_dev + ["test"] * num_test + ["train"] * len(order)
    return dict(zip(order, splits, strict=False))
