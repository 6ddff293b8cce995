"""Random sentences in the place of a corpus: speed depends on shapes, not on meaning."""

import numpy as np
import pyarrow as pa
from datasets import Dataset

from nmt.batches.batching import POOL
from nmt.data.clean import CleaningReport
from nmt.data.encode import IDS
from nmt.data.prepare import Prepared
from nmt.data.tokenizer import BOS, EOS, Tokenizer

SHORTEST = 2  # pieces, eos among them


class NoText(Tokenizer):
    """Stands where a tokenizer does when there is no text: so many pieces."""

    def __init__(self, num_pieces: int) -> None:
        self.num_pieces = num_pieces
        self.model = b""
        self.smoothing = 0.0

    def __len__(self) -> int:
        return self.num_pieces


def random_corpus(vocabulary: int, length: int, max_tokens: int, num: int, seed: int) -> Prepared:
    """At least ``num`` random pairs, and as many as a pool of batches is drawn from in training.

    vocabulary: pieces, the four special ones among them
    length:     mean of both sides' pieces, eos among them
    max_tokens: of a batch, so that no sentence is longer
    """
    random = np.random.default_rng(seed)
    lengths = random_lengths(random, max(num, POOL * max_tokens // length), length, max_tokens)
    source = random_ids(random, lengths[:, 0], vocabulary)
    target = random_ids(random, lengths[:, 1] + 1, vocabulary, first=BOS)
    no_text = pa.array([""] * len(lengths))
    columns = {"source": no_text, "target": no_text, "source_ids": source, "target_ids": target}
    pairs = Dataset(pa.table(columns, schema=IDS))
    tokenizer = NoText(vocabulary)
    return Prepared(pairs, pairs, None, tokenizer, tokenizer, CleaningReport(len(pairs)))


def random_lengths(random: np.random.Generator, num: int, mean: int, most: int) -> np.ndarray:
    """(N,2) pieces of source and target, spread as in a corpus of captions (mean 15, deviation 5).

    The sides of a pair differ by a tenth of the mean.
    """
    both = random.normal(mean, mean / 3, size=(num, 1))
    sides = both + random.normal(0, mean / 10, size=(num, 2))
    return sides.round().clip(SHORTEST, most).astype(int)


def random_ids(
    random: np.random.Generator, lengths: np.ndarray, vocabulary: int, first: int | None = None
) -> pa.Array:
    """Rows of ids of these lengths, none special but eos at the end and ``first`` before all."""
    ends = np.cumsum(lengths)
    ids = random.integers(EOS + 1, vocabulary, size=ends[-1], dtype=np.int32)
    ids[ends - 1] = EOS
    if first is not None:
        ids[ends - lengths] = first
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, ids)
