"""Batches of a stream: block after block is read, cleaned, shuffled and forgotten."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from nmt.batches.batch import Batch, decoded
from nmt.batches.batching import padding_share, token_batches
from nmt.batches.ids import Draw, Ids
from nmt.batches.ragged import Ragged
from nmt.data.clean import Clean, Judge, clean_text
from nmt.data.corpus import of_block
from nmt.data.corpus import texts as texts_of
from nmt.data.encode import Encoder
from nmt.data.prepare import Prepared, held_out, within
from nmt.data.stream import Place, Stream
from nmt.data.text import Text
from nmt.data.tokenizer import BOS
from nmt.errors import UserError

SHARDS, DRAWN = 1, 2  # what a random number is for, beside its place


class Mark(NamedTuple):
    """Where a block begins."""

    epoch: int
    batch: int = 0  # batches of the epoch before it
    block: int = 0  # its number in the epoch
    shard: int = 0  # where it is in the stream
    row: int = 0


class StreamLoader:
    """The batches of a stream.

    An epoch takes the shards in an order of its own. A block is `Stream.buffer` pairs that follow
    each other; they are cleaned, mixed and cut into batches. Both depend on (seed, epoch, block)
    alone, so training resumes exactly where it stopped, from the beginning of a block. Pairs of dev
    and test are always left out, duplicates within their block.
    """

    def __init__(
        self, stream: Stream, prepared: Prepared, clean: Clean, max_tokens: int, seed: int
    ) -> None:
        """UserError where pairs may be longer than the budget of a batch."""
        if clean.max_pieces + 1 > max_tokens:
            raise UserError(
                f"train.max_tokens={max_tokens}: the pairs of a stream have up to "
                f"{clean.max_pieces + 1} tokens; raise train.max_tokens, or lower "
                "clean.max_pieces"
            )
        self.stream = stream
        self.train = prepared.train  # the stream's first pairs
        self.encoder = Encoder(prepared.source_tokenizer, prepared.target_tokenizer)
        self.judge = Judge.of(
            replace(clean, drop_held_out=True), held_out(prepared.dev, prepared.test)
        )
        self.max_tokens = max_tokens
        self.seed = seed
        self._marks: deque[Mark] = deque(maxlen=2)  # a block begins one batch before it is needed
        self._end: tuple[int, int] | None = None  # of an epoch: its number, its batches

    def num_batches(self, epoch: int) -> None:
        """Not known before the epoch's end."""
        return

    def ends(self, epoch: int, number: int) -> bool:
        """Whether so many batches, the last of which has been given, are all of the epoch."""
        return self._end == (epoch, number)

    def state(self, epoch: int, batch: int) -> dict[str, float]:
        """The beginning of the block that has a batch; {} at the beginning of an epoch."""
        return self._mark(epoch, batch)._asdict() if batch else {}

    def restore(self, state: dict[str, float]) -> None:
        """Take what `state` gave. UserError where it is nothing of this stream."""
        if not state:
            return
        num_shards = self.stream.shards.num_shards
        whole = {name: value for name, value in state.items() if type(value) is int and value >= 0}
        if whole.keys() != set(Mark._fields) or whole["shard"] > num_shards:
            raise UserError(
                f"the checkpoint was written at {state} of its data, which is not a position in "
                f"this stream of {num_shards} files: data= must not change"
            )
        self._marks.append(Mark(**whole))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The epoch's batches, from number `start` on. UserError where it has none at all."""
        mark = self._mark(epoch, start)
        batches = islice(self._from(mark), start - mark.batch, None)
        last, number = next(batches, None), start
        while last is not None:
            number += 1
            batch = next(batches, None)
            if batch is None:
                self._end = epoch, number
            yield last
            last = batch
        if number == 0:
            raise UserError("no pair of the stream is left after cleaning: see clean.* and data.*")

    def sentences(self, batches: list[Batch]) -> list[tuple[str, str]]:
        """The text of batches: source and target of each pair."""
        return decoded(batches, *self.encoder)

    def padding_share(self) -> float:
        """The share of padding in batches of the stream's first pairs."""
        lengths = Ids.of(self.train).lengths()
        return padding_share(lengths, token_batches(lengths, self.max_tokens, self.seed, 0))

    def _mark(self, epoch: int, batch: int) -> Mark:
        """The last block that is known to begin no later than a batch."""
        known = [one for one in self._marks if one.epoch == epoch and one.batch <= batch]
        return max(known, key=lambda one: one.batch, default=Mark(epoch))

    def _from(self, mark: Mark) -> Iterator[Batch]:
        """The batches of an epoch from the beginning of a block on."""
        random = np.random.default_rng([self.seed, mark.epoch, 0, SHARDS])
        order = random.permutation(self.stream.shards.num_shards).tolist()
        for texts, after in self.stream.blocks(order, Place(mark.shard, mark.row)):
            self._marks.append(mark)
            batch = mark.batch
            for batch, some in enumerate(self._batches(texts, mark), mark.batch + 1):  # noqa: B007
                yield some
            mark = Mark(mark.epoch, batch, mark.block + 1, *after)

    def _batches(self, texts: list[Text], mark: Mark) -> Iterator[Batch]:
        """A block cleaned, mixed and cut."""
        ids = self._ids(texts, mark)
        if ids is None:
            return
        rows = token_batches(ids.lengths(), self.max_tokens, self.seed, mark.epoch, mark.block)
        for some in rows:
            yield Batch(ids.source.padded(some), ids.target.padded(some))

    def _ids(self, texts: list[Text], mark: Mark) -> Ids | None:
        """A block cleaned and in ids; None: nothing of it stays."""
        stay, report = clean_text(self.judge, map(self.judge, texts))
        if not len(stay):
            return None
        encoded = map(self.encoder, kept(texts, stay))
        table = pa.concat_tables(within(encoded, self.judge.clean, report))
        if not len(table):
            return None
        best = Ids.of_table(table)
        if not self.encoder.source.smoothing:
            return best
        seeds = np.random.SeedSequence([self.seed, mark.epoch, mark.block, DRAWN])
        source_seed, target_seed = seeds.generate_state(2).tolist()
        source, target = texts_of(table)
        one = Draw(self.encoder.source, [], self.max_tokens)(source, source_seed, best.source)
        other = Draw(self.encoder.target, [BOS], self.max_tokens)(target, target_seed, best.target)
        return Ids(Ragged.of_blocks([one]), Ragged.of_blocks([other]))


def kept(texts: list[Text], rows: np.ndarray) -> Iterator[Text]:
    """Some pairs of a block, by their rising numbers in it."""
    start = 0
    for source, target in texts:
        some = of_block(rows, start, len(source)).tolist()
        yield [source[row] for row in some], [target[row] for row in some]
        start += len(source)
