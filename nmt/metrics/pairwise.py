"""chrF and BLEU of each of some texts with each other one: sacreBLEU's scores of sentences.

The n-grams of a text are counted once. How many two texts share, min(count, count) over all, is one
product of matrices: an n-gram that stands twice in a text is two features, its first and its second
occurrence, and a feature is there or not.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.helpers import extract_all_char_ngrams, extract_all_word_ngrams
from scipy.sparse import csr_array

from nmt.decoding.mbr import Utility
from nmt.metrics.bleu import bleu_tokenizer


def chrf(texts: Sequence[str]) -> np.ndarray:
    """chrF2 of each text i with each text j as its reference, (N,N); see `sentence_chrf`."""
    counted = [extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in texts]
    precision = recall = orders = np.zeros((len(texts), len(texts)))
    for order in zip(*counted, strict=True):
        total = np.array([one.total() for one in order], float)  # (N,)
        both = (total[:, None] > 0) & (total > 0)  # (N,N) n-grams of this order in both texts
        shared = matches(order) / np.maximum(total, 1)[:, None]
        precision = precision + shared
        recall = recall + shared.T
        orders = orders + both
    weighted = CHRF.BETA**2 * precision + recall  # of the sums: the number of orders goes out
    f = (1 + CHRF.BETA**2) * precision * recall / np.maximum(weighted, np.finfo(float).tiny)
    return 100 * f / np.maximum(orders, 1)


def bleu(texts: Sequence[str], metric: BLEU) -> np.ndarray:
    """BLEU of each text i with each text j as its reference, (N,N); see `sentence_bleu`.

    ``metric`` has an effective order.
    """
    counted, lengths = zip(
        *(
            extract_all_word_ngrams(metric._preprocess_segment(text), 1, metric.max_ngram_order)
            for text in texts
        ),
        strict=True,
    )
    orders = range(1, metric.max_ngram_order + 1)
    parts = [[Counter(of_order(one, n)) for one in counted] for n in orders]
    correct = np.stack([matches(part) for part in parts], 2)  # (N,N,4)
    totals = [[part[i].total() for part in parts] for i in range(len(texts))]  # N, 4
    found = np.empty((len(texts), len(texts)))
    for i, j in np.ndindex(found.shape):
        found[i, j] = metric.compute_bleu(
            correct[i, j].tolist(),
            list(totals[i]),
            lengths[i],
            lengths[j],
            smooth_method=metric.smooth_method,
            smooth_value=metric.smooth_value,
            effective_order=True,
        ).score
    return found


def of_order(counted: Counter, order: int) -> dict[tuple[str, ...], int]:
    """Return the n-grams of one order."""
    return {ngram: count for ngram, count in counted.items() if len(ngram) == order}


def matches(counted: Sequence[Counter]) -> np.ndarray:
    """Return how many n-grams each two of N texts share, (N,N)."""
    numbers: dict[object, int] = {}
    columns = [
        [numbers.setdefault((one, time), len(numbers)) for one, time in occurrences(counter)]
        for counter in counted
    ]
    ends = np.cumsum([0, *map(len, columns)])
    column = np.array([one for row in columns for one in row], int)
    shape = (len(counted), max(len(numbers), 1))
    there = csr_array((np.ones(len(column)), column, ends), shape=shape)
    return (there @ there.T).toarray()


def occurrences(counter: Counter) -> Iterable[tuple[object, int]]:
    """Return each n-gram as often as it stands there, with the number of the time."""
    return ((one, time) for one, count in counter.items() for time in range(count))


def utility_of(name: str, target_language: str) -> Utility:
    """Return chrf, or bleu with sacreBLEU's tokenizer for the language."""
    if name == "chrf":
        return chrf
    metric = BLEU(tokenize=bleu_tokenizer(target_language), effective_order=True)
    return partial(bleu, metric=metric)
