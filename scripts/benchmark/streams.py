"""The sentences that all toolkits get: the same batches of the same random ids."""

from itertools import islice

from shape import BATCH_SIZE, LENGTH, MAX_TOKENS, VOCABULARY
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.batches.train_loader import TrainLoader
from nmt.bench.sentences import random_corpus
from nmt.data.prepare import Prepared
from nmt.decoding.begin import padded
from nmt.decoding.translate import batches

SEED = 1


def corpus(num: int = 1) -> Prepared:
    """Return at least so many random pairs."""
    return random_corpus(VOCABULARY, LENGTH, MAX_TOKENS, num, SEED)


def training(num: int) -> list[Batch]:
    """Return so many batches of MAX_TOKENS, source (B,S) and target (B,T+1), padded with 0."""
    loader = TrainLoader(corpus(), MAX_TOKENS, SEED)
    assert num <= loader.num_batches(0), "there are not so many batches"
    return list(islice(loader.epoch(0), num))


def decoding(num: int) -> list[Tensor]:
    """Return so many sentences in batches (B,S) of BATCH_SIZE, longest first, padded with 0."""
    sources: list[list[int]] = corpus(num).train[:num]["source_ids"]
    lengths = [len(source) for source in sources]
    return [
        padded([sources[row] for row in rows]) for rows in batches(lengths, BATCH_SIZE, MAX_TOKENS)
    ]
