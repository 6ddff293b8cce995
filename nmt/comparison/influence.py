"""One value per sentence whose mean is a corpus score and whose spread is that score's.

A corpus score is a function f of sums over sentences, T = Σ t_i: BLEU of n-gram counts and lengths,
chrF of n-gram counts, a loss per piece of losses and pieces. The value of sentence i is

    y_i = f(T) + N ∇f(T)·(t_i − T/N)

Its mean is f(T), and sd(y)/√N is the standard error of the score over other sentences (Hampel 1974,
the influence curve; Efron 1982, the infinitesimal jackknife). So statistics of means apply to
corpus scores.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from sacrebleu.metrics.base import Metric
from torch import Tensor

from nmt.metrics.words import WORD_SCORES

ORDERS = 4  # of BLEU
BETA2 = 4  # chrF: β = 2, squared

Counts = Mapping[str, np.ndarray]  # by score, (N, columns): what its formula sums over sentences


def sentence_counts(
    metrics: Mapping[str, Metric], hypotheses: Sequence[str], references: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the counts behind BLEU and chrF for each sentence, by sacreBLEU's own code.

    ``metrics`` are sacreBLEU's, with the tokenizer of the scores. "bleu" is (N,10): lengths of
    hypothesis and reference, 4 matches, 4 n-grams. "chrf" is (N,18): n-grams of the hypothesis,
    of the reference, and matches, for each of 6 orders. The text cannot be recovered from them.
    """
    return {
        name: np.array(metric._extract_corpus_statistics(hypotheses, [references]))
        for name, metric in metrics.items()
    }


def corpus_score(score: str, counts: np.ndarray) -> float:
    """Return the score of all sentences together; counts: (N, columns)."""
    return formula(score)(totals_of(counts)).item()


def bleu_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return the BLEU of each row of summed counts, (...,10)."""
    return bleu(torch.from_numpy(sums.astype(np.float64))).numpy()


def influence(score: str, counts: np.ndarray) -> np.ndarray:
    """Return a value for each sentence, (N,), in units of the score; their mean is the score."""
    totals = totals_of(counts).requires_grad_()
    found = formula(score)(totals)
    (slope,) = torch.autograd.grad(found, totals)
    gains = counts @ slope.numpy()  # (N,)
    return found.item() + len(counts) * gains - gains.sum()


def totals_of(counts: np.ndarray) -> Tensor:
    """Sum over the sentences, (columns,)."""
    return torch.from_numpy(counts.sum(0, dtype=np.float64))


def formula(score: str) -> Callable[[Tensor], Tensor]:
    """Return the formula of a score from sums; for an unknown name, a ratio.

    The name of a part of the sentences follows that of the score: "bleu de-en".
    """
    return FORMULAS.get(score.partition(" ")[0], ratio)


def bleu(totals: Tensor) -> Tensor:
    """Return BLEU from 0 to 100 with sacreBLEU's smoothing `exp`; totals: (...,10).

    The first order without a match counts as half a match, the next as a quarter (Chen and Cherry
    2014, method 3). Without any match, or where no sentence has four words, BLEU is 0.
    """
    matches, ngrams = totals[..., 2 : 2 + ORDERS], totals[..., 2 + ORDERS :]
    counted = matches.any(-1) & ngrams.all(-1)
    hypothesis, reference = totals[..., 0].where(counted, 1), totals[..., 1]
    smoothed = 0.5 ** (matches == 0).cumsum(-1)
    precisions = torch.where(matches > 0, matches, smoothed) / ngrams.where(counted[..., None], 1)
    brevity = torch.where(hypothesis < reference, 1 - reference / hypothesis, 0)
    return torch.where(counted, 100 * (brevity + precisions.log().mean(-1)).exp(), 0)


def chrf(totals: Tensor) -> Tensor:
    """Return chrF2 from 0 to 100; totals: (18,).

    As sacreBLEU 2 (`eff:yes`): precision and recall are means over the orders that both sides have.
    """
    hypothesis, reference, matches = totals.view(-1, 3).T
    there = (hypothesis > 0) & (reference > 0)
    if not matches.any():
        return 0 * totals.sum()
    precision = (matches[there] / hypothesis[there]).mean()
    recall = (matches[there] / reference[there]).mean()
    return 100 * (1 + BETA2) * precision * recall / (BETA2 * precision + recall)


def ratio(totals: Tensor) -> Tensor:
    """Return one sum divided by another; totals: (2,).

    Loss and pieces give the loss per piece; a score per sentence and 1 give the mean score.
    """
    return totals[0] / totals[1]


def percent(totals: Tensor) -> Tensor:
    """Return 100 times one sum divided by another; totals: (2,)."""
    return 100 * ratio(totals)


FORMULAS = {"bleu": bleu, "chrf": chrf, **dict.fromkeys(WORD_SCORES, percent)}
