"""What a training takes batches from."""

from collections.abc import Iterator
from typing import Protocol

from nmt.batches.batch import Batch


class Loader(Protocol):
    """What a training takes batches from: the same ones for the same seed, epoch and number."""

    def num_batches(self, epoch: int) -> int | None:
        """How many batches an epoch has; None: that is not known before its end."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The epoch's batches, from number `start` on."""
        ...

    def ends(self, epoch: int, number: int) -> bool:
        """Whether so many batches, the last of which has been given, are all of the epoch."""
        ...

    def state(self, epoch: int, batch: int) -> dict[str, float]:
        """State that, with an epoch and a number of batches, lets training resume quickly."""
        ...

    def restore(self, state: dict[str, float]) -> None:
        """Take what `state` gave. UserError where it is nothing of this data."""
        ...

    def sentences(self, batches: list[Batch]) -> list[tuple[str, str]]:
        """The text of batches: source and target of each pair."""
        ...

    def padding_share(self) -> float:
        """The share of padding in the first epoch, over source and target."""
        ...
