"""A dataset of the Hugging Face hub, or a folder of shards, that is never stored as a whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from datasets import IterableDataset

from nmt.data.corpus import Splits, spooled, texts
from nmt.data.hub import HubDataset
from nmt.data.text import Text
from nmt.errors import UserError, at_least


class Place(NamedTuple):
    """A position in an epoch."""

    shard: int = 0  # its number in the order of the epoch
    row: int = 0  # how many of its pairs have been read


@dataclass
class Stream(HubDataset):
    """Pairs that are read again in every epoch, shard by shard, and shuffled in a buffer.

    As a corpus its train has only the first pairs of the stream: the tokenizer learns from them.
    Dev and test are named splits, or the very first pairs.
    """

    dev: str | None = None  # the dataset's names of the splits; null: the first pairs of train
    test: str | None = None  # likewise
    first: int = 200_000  # pairs that are kept, for the tokenizer
    dev_size: int = 1000  # pairs of train where there is no split with a name
    test_size: int = 1000  # likewise
    buffer: int = 100_000  # pairs that are read, cleaned, shuffled and cut into batches together

    def content(self) -> object:
        sizes = {"first": self.first, "dev_size": self.dev_size, "buffer": self.buffer}
        at_least(1, {f"data.{key}": size for key, size in sizes.items()})
        at_least(0, {"data.test_size": self.test_size})
        if self.train is None:
            raise UserError("data.train=null: a stream needs a split for training, pass its name")
        return [super().content(), self.first, self.dev_size, self.test_size]

    def read(self, scratch: Path) -> Splits:
        dev, test = (
            None if name is None else spooled(self.rows(self.streamed(name), name), scratch)
            for name in (self.dev, self.test)
        )
        num_dev = 0 if dev else self.dev_size
        num_held = num_dev + (0 if test else self.test_size)
        first = islice(self.rows(self.shards, str(self.train)), num_held + self.first)
        found = spooled(first, scratch)
        if len(found) <= num_held:
            raise UserError(
                f"data.dev_size={self.dev_size} and data.test_size={self.test_size}: the stream "
                f"ends after {len(found):,} pairs; lower them, or pass data.dev and data.test"
            )
        held_dev, held_test, train = (
            found.select(range(start, end)) if start < end else None
            for start, end in pairwise((0, num_dev, num_held, len(found)))
        )
        return Splits(train, dev or held_dev, test or held_test)

    @cached_property
    def shards(self) -> IterableDataset:
        """All of train, opened and not read."""
        assert self.train is not None
        return self.streamed(self.train)

    def blocks(self, order: Sequence[int], place: Place) -> Iterator[tuple[list[Text], Place]]:
        """Yields blocks of about `buffer` pairs, and the position after each.

        order: the shards by number. Shards before `place` are not opened, and earlier pairs of its
        own shard are skipped. UserError where the text cannot be read.
        """
        waiting: list[Text] = []
        for text, after in self._texts(order, place):
            waiting.append(text)
            if sum(len(source) for source, _ in waiting) >= self.buffer:
                yield waiting, after
                waiting = []
        if waiting:
            yield waiting, Place(len(order))

    def _texts(self, order: Sequence[int], place: Place) -> Iterator[tuple[Text, Place]]:
        for number in range(place.shard, len(order)):
            row = place.row if number == place.shard else 0
            shard = self.shards.shard(len(order), order[number])
            for table in self.tables(shard.skip(row), str(self.train)):
                row += len(table)
                yield texts(table), Place(number, row)
