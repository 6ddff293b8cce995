"""From a corpus to batches: clean, cut into pieces, keep on disk, serve."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
import sentencepiece
import torch
from datasets import Dataset
from torch import Tensor

from nmt.data.arrow import write_arrow
from nmt.data.batching import Batches, padding_share, token_batches
from nmt.data.cache import cached, digest
from nmt.data.clean import Clean, CleaningReport, Judge, clean_lengths, clean_text
from nmt.data.corpus import BLOCK, Corpus, Splits, arrow_table, chosen, tables, texts
from nmt.data.encode import IDS, Encoder, pair_lengths
from nmt.data.guide import Guide
from nmt.data.parallel import in_order
from nmt.data.ragged import Ragged
from nmt.data.text import Text
from nmt.data.tokenizer import BOS, EOS, PAD, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError


class Batch(NamedTuple):
    """Ids, padded with 0 on the right: source … eos, target bos … eos."""

    source: Tensor  # (B,S)
    target: Tensor  # (B,T+1)
    guide: Tensor | None = None  # (B,T,S) where each target piece should look; see nmt.data.guide
    counted: int | None = None  # num_pieces, where asking would mean to wait for the device

    @property
    def num_pieces(self) -> int:
        """How many target pieces there are to predict: all but bos and padding."""
        if self.counted is not None:
            return self.counted
        return int((self.target[:, 1:] != PAD).sum())

    @property
    def predicted(self) -> Tensor:
        """The places (N,) in the flat target (B·T,) of the pieces that there are to predict."""
        keep = (self.target[:, 1:] != PAD).flatten()
        return keep.nonzero_static(size=self.num_pieces).squeeze(1)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The same batch with each of its tensors changed."""
        source, target, guide, _ = self
        return Batch(change(source), change(target), None if guide is None else change(guide))

    def blank(self) -> "Batch":
        """A batch of one sentence of which nothing is to be predicted."""
        source, target, guide, _ = self.each(lambda side: side[:1])
        target = torch.cat([target[:, :1], torch.full_like(target[:, 1:], PAD)], 1)
        return Batch(source, target, None if guide is None else torch.zeros_like(guide))

    def halves(self) -> list["Batch"]:
        """The same sentences in two batches; one alone stays one."""
        half = -(-len(self.source) // 2)
        rows = [slice(half), slice(half, None)][: len(self.source)]
        return [self.each(itemgetter(some)) for some in rows]

    def pinned(self) -> "Batch":
        """The same batch in memory from which a GPU copies while it computes."""
        return self.each(Tensor.pin_memory)

    def to(self, device: torch.device) -> "Batch":
        """The same batch there."""
        there = self.each(lambda side: side.to(device, non_blocking=True))
        return there._replace(counted=self.num_pieces)


@dataclass
class Prepared:
    """A corpus ready for training. Columns of a split: source, target, source_ids, target_ids."""

    train: Dataset
    dev: Dataset
    test: Dataset | None
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    report: CleaningReport  # of train; dev and test are never filtered


def prepare(corpus: Corpus, clean: Clean, config: TokenizerConfig, cache: Path) -> Prepared:
    """Cleans train, trains the tokenizer on it alone, encodes all splits; once, then from `cache`.

    Raises UserError where the corpus cannot be read, has no train or dev, where nothing is left
    after cleaning, or where the tokenizer's size does not fit the text.
    """
    config.check()
    model = replace(config, sample=0.0)  # sampling changes what is drawn, not the model
    name = digest(corpus.key(cache), asdict(clean), asdict(model), sentencepiece.__version__)
    folder = cached(
        cache / "prepared" / name,
        lambda partial: _build(corpus.load(cache), clean, model, cache, partial),
    )
    train, dev, test = Splits.load(folder)
    assert train is not None
    assert dev is not None
    return Prepared(
        train,
        dev,
        test,
        Tokenizer.load(folder, "source", config.sample),
        Tokenizer.load(folder, "target", config.sample),
        CleaningReport(**json.loads((folder / "report.json").read_text())),
    )


def _build(
    splits: Splits, clean: Clean, config: TokenizerConfig, cache: Path, folder: Path
) -> None:
    if splits.train is None or splits.dev is None:
        missing = "train" if splits.train is None else "dev"
        raise UserError(f"the corpus has no {missing} split, and training needs train and dev")
    train = splits.train
    judge = Judge.of(clean, held_out(splits.dev, splits.test))
    kept, report = clean_text(judge, in_order(judge, map(texts, tables(train))))
    report.require_some()
    source, target = train_tokenizers(train, kept, config, cache)
    for name, split in splits._replace(train=None).present().items():
        encode(map(texts, tables(split)), source, target, folder / f"{name}.arrow")
    encoded = in_order(Encoder(source, target), map(texts, chosen(train, kept)))
    write_arrow(folder / "train.arrow", IDS, within(encoded, clean, report))
    report.require_some()
    source.save(folder, "source")
    target.save(folder, "target")
    (folder / "report.json").write_text(json.dumps(asdict(report)))


def held_out(*splits: Dataset | None) -> Iterator[Text]:
    """The text of dev and test."""
    for split in splits:
        yield from map(texts, tables(split)) if split is not None else ()


def within(encoded: Iterable[pa.Table], clean: Clean, report: CleaningReport) -> Iterator[pa.Table]:
    """The pairs that stay by their lengths in pieces: without eos, without bos and eos."""
    for table in encoded:
        yield table.take(clean_lengths(pair_lengths(table) - [1, 2], clean, report))


def train_tokenizers(
    train: Dataset, kept: np.ndarray, config: TokenizerConfig, cache: Path
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target: one and the same, or one a side. kept: rows of train."""
    pairs = max(1, config.max_lines // 2 if config.joint else config.max_lines)
    some = kept[:: -(-len(kept) // pairs)]
    text = [texts(table) for table in chosen(train, some)]
    source, target = (list(chain.from_iterable(side)) for side in zip(*text, strict=True))
    if config.joint:
        both = cached_tokenizer(source + target, config, cache)
        return both, both
    return cached_tokenizer(source, config, cache), cached_tokenizer(target, config, cache)


def cached_tokenizer(lines: list[str], config: TokenizerConfig, cache: Path) -> Tokenizer:
    """A tokenizer trained on `lines`, or the one that was before on the same lines."""
    name = digest(lines, asdict(config), sentencepiece.__version__)
    folder = cached(
        cache / "tokenizers" / name,
        lambda partial: train_tokenizer(lines, config).save(partial, "lines"),
    )
    return Tokenizer.load(folder, "lines")


def encode(text: Iterable[Text], source: Tokenizer, target: Tokenizer, path: Path) -> Dataset:
    """Lines with the columns source_ids (… eos) and target_ids (bos … eos), written to `path`."""
    return write_arrow(path, IDS, in_order(Encoder(source, target), text))


def decoded(batches: list[Batch], source: Tokenizer, target: Tokenizer) -> list[tuple[str, str]]:
    """The text of batches: source and target of each pair."""
    return [
        (source.decode(one), target.decode(other))
        for batch in batches
        for one, other in zip(batch.source.tolist(), batch.target.tolist(), strict=True)
    ]


class Draw(NamedTuple):
    """Cuts lines at random, with what stands before them, and eos."""

    tokenizer: Tokenizer
    before: list[int]
    most: int  # ids

    def __call__(
        self, lines: list[str], seed: int, best: Ragged, first: int = 0
    ) -> list[list[int]]:
        """The lines' ids; where too many, those of `best` from row `first` on."""
        rows = [[*self.before, *ids, EOS] for ids in self.tokenizer.sample(lines, seed)]
        return [
            row if len(row) <= self.most else best.row(first + index)
            for index, row in enumerate(rows)
        ]


class Ids(NamedTuple):
    """Both sides of a split in ids."""

    source: Ragged
    target: Ragged

    @classmethod
    def of(cls, split: Dataset) -> Self:
        """The ids of a split, where they are."""
        return cls.of_table(arrow_table(split.select_columns(["source_ids", "target_ids"])))

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """The ids of a table with the columns of a split."""
        return cls(*(Ragged.of_column(table[f"{side}_ids"]) for side in ("source", "target")))

    def lengths(self) -> np.ndarray:
        """(N,2): tokens a side. A target of bos … eos is one position shorter in the model."""
        return np.stack([self.source.lengths, self.target.lengths - 1], 1)


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
        """What to keep beside an epoch and a number of batches so as to go on from there soon."""
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
        longest = int(self._best.lengths().max())
        if longest > max_tokens:
            raise UserError(
                f"train.max_tokens={max_tokens}: the longest train pair has {longest} tokens; "
                "give a larger budget, or lower clean.max_pieces"
            )

    def num_batches(self, epoch: int) -> int:
        """How many batches an epoch has."""
        return len(self._plan(epoch)[1])

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

    def padding_share(self, epoch: int = 0) -> float:
        """The share of padding in an epoch, over source and target."""
        ids, batches = self._plan(epoch)
        return padding_share(ids.lengths(), batches)

    def _plan(self, epoch: int) -> tuple[Ids, Batches]:
        """The epoch's ids and the rows of its batches; the last one asked for is kept."""
        if self._last is None or self._last[0] != epoch:
            ids = self._ids(epoch)
            batches = token_batches(ids.lengths(), self.max_tokens, self.seed, epoch)
            self._last = epoch, ids, batches
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
