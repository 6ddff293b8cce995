"""Epochs cut into updates."""

from collections.abc import Iterator
from typing import NamedTuple

from nmt.batches.batch import Batch
from nmt.batches.loader import Loader


class Work(NamedTuple):
    """The batches of one update, of all processes; and where training stands in the data then."""

    batches: list[Batch]
    epoch: int
    batch: int
    place: dict[str, float]  # what the loader needs to resume there, see `Loader.state`


def updates(
    loader: Loader, epochs: range, start: int, num_batches: int, pinned: bool
) -> Iterator[Work]:
    """The updates of some epochs, of `num_batches` each; the last of an epoch may have fewer.

    The first epoch begins with batch number `start`. `pinned`: for a GPU, which copies batches
    while it computes.
    """
    for epoch in epochs:
        batches: list[Batch] = []
        for number, batch in enumerate(loader.epoch(epoch, start), start + 1):
            batches.append(batch.pinned() if pinned else batch)
            if loader.ends(epoch, number):
                yield Work(batches, epoch + 1, 0, loader.state(epoch + 1, 0))
            elif len(batches) == num_batches:
                yield Work(batches, epoch, number, loader.state(epoch, number))
                batches = []
        start = 0
