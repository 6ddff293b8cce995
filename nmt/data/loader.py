"""From a corpus to batches: clean, cut into pieces, keep on disk, serve."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import sentencepiece
import torch
from datasets import Dataset, DatasetDict, Features, Value
from datasets import Sequence as ListOf
from torch import Tensor

from nmt.data.batching import padding_share, token_batches
from nmt.data.cache import cached, digest
from nmt.data.clean import Clean, CleaningReport, clean_lengths, clean_text
from nmt.data.corpus import PAIR, Corpus, Splits
from nmt.data.tokenizer import BOS, EOS, PAD, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.errors import UserError

IDS = Features({**PAIR, "source_ids": ListOf(Value("int32")), "target_ids": ListOf(Value("int32"))})


class Batch(NamedTuple):
    """Ids, padded with 0 on the right: source … eos, target bos … eos."""

    source: Tensor  # (B,S)
    target: Tensor  # (B,T+1)


@dataclass
class Prepared:
    """A corpus ready for training; each split has the columns source, target, source_ids, target_ids."""

    train: Dataset
    dev: Dataset
    test: Dataset | None
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    report: CleaningReport


def prepare(corpus: Corpus, clean: Clean, tokenizer: TokenizerConfig, cache: Path) -> Prepared:
    """Cleans train, trains the tokenizer on it alone and encodes every split; all of it once, then cached."""
    splits = corpus.load(cache)
    content = [None if split is None else split._fingerprint for split in splits]
    name = digest(
        content, asdict(clean), asdict(tokenizer) | {"sample": 0}, sentencepiece.__version__
    )
    folder = cached(
        cache / "prepared" / name, lambda partial: _build(splits, clean, tokenizer, partial)
    )
    found = datasets.load_from_disk(str(folder / "splits"))
    assert isinstance(found, DatasetDict)
    return Prepared(
        found["train"],
        found["dev"],
        found.get("test"),
        Tokenizer.load(folder, "source", tokenizer.sample),
        Tokenizer.load(folder, "target", tokenizer.sample),
        CleaningReport(**json.loads((folder / "report.json").read_text())),
    )


def _build(splits: Splits, clean: Clean, config: TokenizerConfig, folder: Path) -> None:
    if splits.train is None or splits.dev is None:
        raise UserError("this corpus has no train or no dev split")
    held_out = [split for split in (splits.dev, splits.test) if split is not None]
    train, report = clean_text(splits.train, held_out, clean)
    source, target = train_tokenizers(train, config)
    encoded = {
        name: encode(split, source, target, folder / f"{name}.arrow")
        for name, split in (("train", train), ("dev", splits.dev), ("test", splits.test))
        if split is not None
    }
    lengths = pair_lengths(encoded["train"]) - [1, 2]  # without eos, without bos and eos
    encoded["train"] = encoded["train"].select(clean_lengths(lengths, clean, report))
    DatasetDict(encoded).save_to_disk(str(folder / "splits"))
    source.save(folder, "source")
    target.save(folder, "target")
    (folder / "report.json").write_text(json.dumps(asdict(report)))
    for name in encoded:
        (folder / f"{name}.arrow").unlink()


def train_tokenizers(train: Dataset, config: TokenizerConfig) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target: one and the same, or one a side."""
    if config.joint:
        both = train_tokenizer(_lines(train, "source", "target"), config)
        return both, both
    return (
        train_tokenizer(_lines(train, "source"), config),
        train_tokenizer(_lines(train, "target"), config),
    )


def _lines(split: Dataset, *columns: str) -> Iterator[str]:
    for batch in split.iter(10_000):
        for column in columns:
            yield from batch[column]


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
        batch_size=10_000,
        features=IDS,
        cache_file_name=str(path),
        load_from_cache_file=False,
        new_fingerprint=digest(split._fingerprint, path.name),
    )


class Ragged:
    """Rows of ids of unequal length, end to end."""

    def __init__(self, values: np.ndarray, starts: np.ndarray) -> None:
        self.values = values  # all ids
        self.starts = starts  # (N+1,) where each row begins, and the end
        self.lengths = np.diff(starts)

    @classmethod
    def of_column(cls, split: Dataset, column: str) -> "Ragged":
        table = split.with_format("arrow")[:]
        rows = table.column(column).combine_chunks().cast(pa.large_list(pa.int32()))
        return cls(
            rows.flatten().to_numpy(),
            np.concatenate([[0], np.cumsum(rows.value_lengths().to_numpy())]),
        )

    @classmethod
    def of_lists(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        return cls(
            np.fromiter((index for row in rows for index in row), np.int32, starts[-1]), starts
        )

    def padded(self, rows: Sequence[int]) -> Tensor:
        """The rows side by side: (B, longest) int64, padded with 0."""
        lengths = self.lengths[rows]
        places = np.arange(lengths.max())
        inside = places < lengths[:, None]  # (B,L)
        block = np.full(inside.shape, PAD, dtype=np.int64)
        block[inside] = self.values[(self.starts[rows][:, None] + places)[inside]]
        return torch.from_numpy(block)


def pair_lengths(split: Dataset) -> np.ndarray:
    """(N,2): the lengths of source_ids and target_ids."""
    return np.stack(
        [Ragged.of_column(split, f"{side}_ids").lengths for side in ("source", "target")], 1
    )


class TrainLoader:
    """The batches of every epoch of train. A batch depends on (seed, epoch, its number) alone."""

    def __init__(self, prepared: Prepared, max_tokens: int, seed: int) -> None:
        self.max_tokens = max_tokens
        self.seed = seed
        self.source = Ragged.of_column(prepared.train, "source_ids")
        self.target = Ragged.of_column(prepared.train, "target_ids")
        # A target of bos … eos makes one position less than it has ids.
        self.lengths = np.stack([self.source.lengths, self.target.lengths - 1], 1)  # (N,2)
        longest = int(self.lengths.max())
        if longest > max_tokens:
            raise UserError(
                f"train.max_tokens={max_tokens}: one train pair has {longest} tokens; "
                "give a larger budget or lower clean.max_pieces"
            )

    def num_batches(self, epoch: int) -> int:
        return len(self._indices(epoch))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The epoch's batches from number `start` on."""
        for indices in self._indices(epoch)[start:]:
            yield Batch(self.source.padded(indices), self.target.padded(indices))

    def padding_share(self, epoch: int = 0) -> float:
        """The share of padding in an epoch, over source and target."""
        return padding_share(self.lengths, self._indices(epoch))

    def _indices(self, epoch: int) -> list[list[int]]:
        return token_batches(self.lengths, self.max_tokens, self.seed, epoch)
