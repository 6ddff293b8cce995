"""The translation that is most like all others: minimum Bayes risk.

Kumar and Byrne 2004 (Minimum Bayes-risk decoding for statistical machine translation); Eikema and
Aziz 2020 (Is MAP decoding all you need?), with samples: argmax over Y of Σ P(Y') · utility(Y, Y').
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from nmt.decoding.length import LengthNorm
from nmt.decoding.search import Hypothesis

# N texts -> (N,N), how good text i is if text j is the right one.
Utility = Callable[[Sequence[str]], np.ndarray]


def expected_utilities(
    texts: Sequence[str], weights: Sequence[float], utility: Utility
) -> dict[str, float]:
    """Return for each different text its mean utility over all of them, by weight, best first.

    Equally good ones are in the order of the texts. The statistics of a text are computed once.
    """
    shares: dict[str, float] = {}
    for text, weight in zip(texts, weights, strict=True):
        shares[text] = shares.get(text, 0.0) + weight
    different = list(shares)
    share = np.array(list(shares.values()))  # (N,)
    expected = utility(different) @ share / share.sum()  # (N,)
    order = np.argsort(-expected, kind="stable")
    return {different[place]: float(expected[place]) for place in order}


def probabilities(hypotheses: Sequence[Hypothesis], length_norm: LengthNorm) -> list[float]:
    """Return P(Y|X) of hypotheses, divided by that of the most probable."""
    length = torch.tensor([len(one.ids) + 1 for one in hypotheses])
    scores = torch.tensor([one.score for one in hypotheses], dtype=torch.float64)
    log_p = scores * length_norm(length).double()
    return (log_p - log_p.max()).exp().tolist()
