"""The batches of a corpus that is kept on disk."""

from collections.abc import Iterator

import numpy as np

from nmt.batches.batch import Batch, decoded
from nmt.batches.batching import Batches, padding_share, token_batches
from nmt.batches.guide import Guide
from nmt.batches.ids import Draw, Ids
from nmt.batches.ragged import Ragged
from nmt.data.corpus import BLOCK, tables
from nmt.data.prepare import Prepared
from nmt.data.tokenizer import BOS
from nmt.errors import UserError


class TrainLoader:
    """The batches of train. A batch depends on (seed, epoch, its number) and on nothing before it.

    With subword sampling every epoch cuts all lines anew, and then makes its batches. With a guide
    batches say where each target piece should look.
    """

    def __init__(
        self, prepared: Prepared, max_tokens: int, seed: int, guide: Guide | None = None
    ) -> None:
        assert guide is None or len(guide) == len(prepared.train)
        self.train = prepared.train
        self.source_tokenizer = prepared.source_tokenizer
        self.target_tokenizer = prepared.target_tokenizer
        self.max_tokens = max_tokens
        self.seed = seed
        self.guide = guide
        self._best = Ids.of(self.train)
        self._last: tuple[int, Ids, Batches] | None = None
        # Of epochs that have been planned: another plan in between would cut all lines once more.
        self._num_batches: dict[int, int] = {}
        self._padding_share: float | None = None  # of the first
        longest = int(self._best.lengths().max())
        if longest > max_tokens:
            raise UserError(
                f"train.max_tokens={max_tokens}: the longest training pair has {longest} "
                "tokens; raise train.max_tokens, or lower clean.max_pieces"
            )

    def num_batches(self, epoch: int) -> int:
        """How many batches an epoch has."""
        if epoch not in self._num_batches:
            self._plan(epoch)
        return self._num_batches[epoch]

    def ends(self, epoch: int, number: int) -> bool:
        """Whether so many batches are all of the epoch."""
        return number == self.num_batches(epoch)

    def state(self, epoch: int, batch: int) -> dict[str, float]:
        """Nothing: a plan is made anew in no time."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Take nothing."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The epoch's batches, from number `start` on."""
        ids, batches = self._plan(epoch)
        for rows in batches[start:]:
            source, target = ids.source.padded(rows), ids.target.padded(rows)
            num_pieces = target.size(1) - 1, source.size(1)
            guide = self.guide.weights(rows, *num_pieces) if self.guide else None
            yield Batch(source, target, guide)

    def sentences(self, batches: list[Batch]) -> list[tuple[str, str]]:
        """The text of batches: source and target of each pair."""
        return decoded(batches, self.source_tokenizer, self.target_tokenizer)

    def padding_share(self) -> float:
        """The share of padding in the first epoch, over source and target."""
        if self._padding_share is None:
            ids, batches = self._plan(0)
            self._padding_share = padding_share(ids.lengths(), batches)
        return self._padding_share

    def _plan(self, epoch: int) -> tuple[Ids, Batches]:
        """The epoch's ids and the rows of its batches; the last one asked for is kept."""
        if self._last is None or self._last[0] != epoch:
            ids = self._ids(epoch)
            batches = token_batches(ids.lengths(), self.max_tokens, self.seed, epoch)
            self._last = epoch, ids, batches
            self._num_batches[epoch] = len(batches)
        return self._last[1:]

    def _ids(self, epoch: int) -> Ids:
        if not self.source_tokenizer.smoothing:
            return self._best
        source = Draw(self.source_tokenizer, [], self.max_tokens)
        target = Draw(self.target_tokenizer, [BOS], self.max_tokens)
        return Ids(
            Ragged.of_blocks(self._drawn("source", source, [self.seed, epoch, 0])),
            Ragged.of_blocks(self._drawn("target", target, [self.seed, epoch, 1])),
        )

    def _drawn(self, side: str, draw: Draw, seed: list[int]) -> Iterator[list[list[int]]]:
        """One side's lines cut at random, block by block; the best cut where one is too long."""
        best: Ragged = getattr(self._best, side)
        for number, block in enumerate(tables(self.train.select_columns(side))):
            state = np.random.SeedSequence([*seed, number]).generate_state(1)
            lines = block[side].to_pylist()
            yield draw(lines, int(state[0]), best, number * BLOCK)
