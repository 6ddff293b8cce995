"""Batches by a budget of tokens."""

from collections.abc import Iterable, Sequence
from typing import Self, overload

import numpy as np

# Batches' worth of pairs that are shuffled into one pool and sorted there. The more, the less
# padding; the fewer, the more the company of a pair changes from epoch to epoch.
POOL = 256


class Batches(Sequence[np.ndarray]):
    """Which rows each batch has: batch n those of the n-th of `places`, in one long row of rows."""

    def __init__(self, rows: np.ndarray, ends: np.ndarray, places: np.ndarray) -> None:
        self.rows = rows  # (N,) all pairs' indices, batch behind batch
        self.ends = ends  # (batches + 1,) where in `rows` a batch begins and the one before ends
        self.places = places  # (batches,) their order

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Self:
        """The rows of a batch: (B,) ints; of a slice the batches."""
        if isinstance(index, slice):
            return type(self)(self.rows, self.ends, self.places[index])
        place = self.places[index]
        return self.rows[self.ends[place] : self.ends[place + 1]]


def token_batches(lengths: np.ndarray, max_tokens: int, seed: int, *position: int) -> Batches:
    """The pairs' indices in batches, each pair once; the same for the same arguments.

    lengths: (N,2) ints, source and target. position: of these pairs among others, such as the
    epoch. A batch of B pairs whose longest source has S tokens and longest target T keeps
    B·max(S,T) ≤ max_tokens. Pairs are shuffled into pools, sorted there so that the pairs of a
    batch are about as long, and the batches are shuffled.
    """
    longest = lengths.max(1)
    assert longest.max() <= max_tokens, "a pair is longer than the budget"
    random = np.random.default_rng([seed, *position])
    rows = random.permutation(len(lengths))
    pool = max(1, round(POOL * max_tokens / longest.mean()))
    ends: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]
    for start in range(0, len(rows), pool):
        members = rows[start : start + pool]
        members[:] = members[_by_length(lengths[members])]
        ends.append(start + _cut(longest[members].tolist(), max_tokens))
    found = np.concatenate(ends)
    return Batches(rows, found, random.permutation(len(found) - 1))


def padding_share(lengths: np.ndarray, batches: Iterable[np.ndarray]) -> float:
    """The share of padding among all places of both sides' tensors."""
    places = sum(len(batch) * int(lengths[batch].max(0).sum()) for batch in batches)
    return 1 - int(lengths.sum()) / places


def _by_length(lengths: np.ndarray) -> np.ndarray:
    """By target, then by source: up and down in turn, so that all neighbours are alike."""
    source, target = lengths[:, 0], lengths[:, 1]
    return np.lexsort((np.where(target % 2, source, -source), target))


def _cut(longest: list[int], max_tokens: int) -> np.ndarray:
    """Where the batches of a sorted pool end: before what would take one over the budget."""
    ends: list[int] = []
    start = width = 0
    for place, length in enumerate(longest):
        width = max(width, length)
        if (place - start + 1) * width > max_tokens:
            ends.append(place)
            start, width = place, length
    return np.array([*ends, len(longest)], dtype=np.int64)
