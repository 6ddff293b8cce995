"""From a corpus to batches: clean, cut into pieces, keep on disk, serve."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sentencepiece
import torch
from datasets import Dataset, Features, List, Value
from torch import Tensor

from nmt.data.batching import padding_share, token_batches
from nmt.data.cache import cached, digest
from nmt.data.clean import Clean, CleaningReport, clean_lengths, clean_text
from nmt.data.corpus import BLOCK, PAIR, Corpus, Splits, blocks
from nmt.data.guide import Guide
from nmt.data.ragged import Ragged
from nmt.data.tokenizer import BOS, EOS, PAD, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError

IDS = Features({**PAIR, "source_ids": List(Value("int32")), "target_ids": List(Value("int32"))})


class Batch(NamedTuple):
    """Ids, padded with 0 on the right: source … eos, target bos … eos."""

    source: Tensor  # (B,S)
    target: Tensor  # (B,T+1)
    guide: Tensor | None = None  # (B,T,S) where each target piece should look; see nmt.data.guide

    @property
    def num_pieces(self) -> int:
        """How many target pieces there are to predict: all but bos and padding."""
        return int((self.target[:, 1:] != PAD).sum())

    def blank(self) -> "Batch":
        """A batch of one sentence of which nothing is to be predicted."""
        source, target, guide = (None if side is None else side[:1] for side in self)
        assert source is not None
        assert target is not None
        target = torch.cat([target[:, :1], torch.full_like(target[:, 1:], PAD)], 1)
        return Batch(source, target, None if guide is None else torch.zeros_like(guide))

    def halves(self) -> list["Batch"]:
        """The same sentences in two batches; one alone stays one."""
        half = -(-len(self.source) // 2)
        rows = [slice(half), slice(half, None)][: len(self.source)]
        source, target, guide = self
        return [
            Batch(source[some], target[some], None if guide is None else guide[some])
            for some in rows
        ]

    def to(self, device: torch.device) -> "Batch":
        """The same batch there."""
        source, target, guide = self
        return Batch(
            source.to(device, non_blocking=True),
            target.to(device, non_blocking=True),
            None if guide is None else guide.to(device, non_blocking=True),
        )


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
    name = digest(corpus.key(), asdict(clean), asdict(model), sentencepiece.__version__)
    folder = cached(
        cache / "prepared" / name,
        lambda partial: _build(corpus.load(cache), clean, model, cache, partial),
    )
    train, dev, test = Splits.load(folder / "splits")
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
    held_out = [split for split in (splits.dev, splits.test) if split is not None]
    train, report = clean_text(splits.train, held_out, clean)
    source, target = train_tokenizers(train, config, cache)
    encoded = {
        name: encode(split, source, target, folder / f"{name}.arrow")
        for name, split in splits._replace(train=train).present().items()
    }
    # Lengths in pieces: without eos, without bos and eos.
    kept = clean_lengths(pair_lengths(encoded["train"]) - [1, 2], clean, report)
    encoded["train"] = encoded["train"].select(kept)
    Splits(**encoded).save(folder / "splits")
    source.save(folder, "source")
    target.save(folder, "target")
    (folder / "report.json").write_text(json.dumps(asdict(report)))
    for name in encoded:
        (folder / f"{name}.arrow").unlink()


def train_tokenizers(
    train: Dataset, config: TokenizerConfig, cache: Path
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target: one and the same, or one a side."""
    pairs = max(1, config.max_lines // 2 if config.joint else config.max_lines)
    some = train.select(range(0, len(train), -(-len(train) // pairs)))
    source, target = list(some["source"]), list(some["target"])
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


def encode(split: Dataset, source: Tokenizer, target: Tokenizer, path: Path) -> Dataset:
    """`split` with the columns source_ids (… eos) and target_ids (bos … eos), written to `path`."""

    def add_ids(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {
            "source_ids": [[*ids, EOS] for ids in source.encode(batch["source"])],
            "target_ids": [[BOS, *ids, EOS] for ids in target.encode(batch["target"])],
        }

    return split.map(
        add_ids,
        batched=True,
        batch_size=BLOCK,
        features=IDS,
        cache_file_name=str(path),
        load_from_cache_file=False,
        new_fingerprint=path.stem,
    )


def pair_lengths(split: Dataset) -> np.ndarray:
    """(N,2): the lengths of source_ids and target_ids."""
    columns = "source_ids", "target_ids"
    return np.stack([Ragged.of_column(split, column).lengths for column in columns], 1)


class Ids(NamedTuple):
    """All of train in ids."""

    source: Ragged
    target: Ragged

    def lengths(self) -> np.ndarray:
        """(N,2): tokens a side. A target of bos … eos is one position shorter in the model."""
        return np.stack([self.source.lengths, self.target.lengths - 1], 1)


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
        self._best = Ids(
            Ragged.of_column(self.train, "source_ids"), Ragged.of_column(self.train, "target_ids")
        )
        self._last: tuple[int, Ids, list[list[int]]] | None = None
        longest = int(self._best.lengths().max())
        if longest > max_tokens:
            raise UserError(
                f"train.max_tokens={max_tokens}: the longest train pair has {longest} tokens; "
                "give a larger budget, or lower clean.max_pieces"
            )

    def num_batches(self, epoch: int) -> int:
        """How many batches an epoch has."""
        return len(self._plan(epoch)[1])

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
        return [
            (self.source_tokenizer.decode(source), self.target_tokenizer.decode(target))
            for batch in batches
            for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True)
        ]

    def padding_share(self, epoch: int = 0) -> float:
        """The share of padding in an epoch, over source and target."""
        ids, batches = self._plan(epoch)
        return padding_share(ids.lengths(), batches)

    def _plan(self, epoch: int) -> tuple[Ids, list[list[int]]]:
        """The epoch's ids and the rows of its batches; the last one asked for is kept."""
        if self._last is None or self._last[0] != epoch:
            ids = self._ids(epoch)
            batches = token_batches(ids.lengths(), self.max_tokens, self.seed, epoch)
            self._last = epoch, ids, batches
        return self._last[1:]

    def _ids(self, epoch: int) -> Ids:
        if not self.source_tokenizer.smoothing:
            return self._best
        source, target = self.source_tokenizer, self.target_tokenizer
        return Ids(
            Ragged.of_blocks(self._drawn("source", source, [], [self.seed, epoch, 0])),
            Ragged.of_blocks(self._drawn("target", target, [BOS], [self.seed, epoch, 1])),
        )

    def _drawn(
        self, side: str, tokenizer: Tokenizer, before: list[int], seed: list[int]
    ) -> Iterator[list[list[int]]]:
        """One side's lines cut at random, block by block; the best cut where one is too long."""
        best: Ragged = getattr(self._best, side)
        for number, block in enumerate(blocks(self.train.select_columns(side))):
            state = np.random.SeedSequence([*seed, number]).generate_state(1)
            rows = [[*before, *ids, EOS] for ids in tokenizer.sample(block[side], int(state[0]))]
            yield [
                row if len(row) <= self.max_tokens else best.row(number * BLOCK + index)
                for index, row in enumerate(rows)
            ]
