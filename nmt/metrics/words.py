"""What happens to words: which are repeated, and how well rare and frequent ones are translated.

Words are those that BLEU counts, by sacreBLEU's tokenizer of the language. Each measure is counted
for each sentence, so that it can be tested as BLEU is. Numbers are (N,2): the measure of all
sentences together is 100 times the sum of the first column over that of the second.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from nmt.metrics.bleu import bleu_of

Words = list[str]  # of a line
Bigram = tuple[str, str]

REPEATED, DROPPED = "rep", "drop"
TWICE = 2  # λ₂: what a word counts that follows itself, beside λ₁ = 1 of every repeated bigram
# How often the training text has a word, at least, and the name of the F1 of such words.
BUCKETS = {0: "f1_below_10", 10: "f1_10", 100: "f1_100", 1000: "f1_1000"}
RARE = 10  # words that the training text has less often are all in the first bucket
HEADINGS = {
    REPEATED: "REP",
    DROPPED: "DROP",
    "f1_below_10": "F1 <10",
    "f1_10": "F1 10+",
    "f1_100": "F1 100+",
    "f1_1000": "F1 1000+",
}
WORD_SCORES = tuple(HEADINGS)


def words_of_lines(lines: Iterable[str], tokenizer: str) -> list[Words]:
    """Return the words of each line, by one of sacreBLEU's tokenizers: 13a, zh, char …"""
    split = bleu_of(tokenizer).tokenizer
    return [split(line).split() for line in lines]


def repeated(hypothesis: Words, reference: Words) -> dict[Bigram, int]:
    """Return what a translation repeats more often than the reference has it, and what it counts.

    With t(s) and r(s), how often a bigram s is in translation and reference, that is

        Σ_s [t(s) ≥ 2] max(0, t(s) − r(s)) + 2 Σ_w max(0, t(w w) − r(w w)),

    the sentence's share of the REP score of Malaviya et al. 2018, section 5, with n = 2, λ₁ = 1 and
    λ₂ = 2, as in the scripts of its authors (PedroMLF/MT-Adequacy-Metrics).
    """
    ours, theirs = Counter(pairwise(hypothesis)), Counter(pairwise(reference))
    found: dict[Bigram, int] = {}
    for bigram, times in ours.items():
        more = max(0, times - theirs[bigram])
        value = more * (times >= 2) + TWICE * more * (bigram[0] == bigram[1])
        if value:
            found[bigram] = value
    return found


def repetitions(hypotheses: Sequence[Words], references: Sequence[Words]) -> np.ndarray:
    """Return what the REP score sums, (N,2): :func:`repeated`, and words of the reference.

    The score is how much is repeated per 100 words of the reference; 0 is best.
    """
    both = zip(hypotheses, references, strict=True)
    return np.array([[sum(repeated(h, r).values()), len(r)] for h, r in both])


def f1_by_frequency(
    hypotheses: Sequence[Words], references: Sequence[Words], frequency: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Count the F1 of words by how often the training text has them, as compare-mt does.

    Neubig et al. 2019 (compare-mt), word accuracy by frequency: of the words of a bucket, precision
    is the share of those in the translations that the reference of the sentence has too, each as
    often as it is there; recall is the same for those in the references. F1 is 2 · both / (words of
    the translations + words of the references).

    Args:
        frequency: of words in the target side of the training text; others are in the first bucket.

    Returns:
        (N,2) for each of the BUCKETS that has a word, by name: twice the words that both sides
        have, and the words of both.
    """
    bounds = list(BUCKETS)
    counted = np.zeros((len(bounds), len(references), 2), dtype=np.int64)
    for place, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        ours, theirs = Counter(hypothesis), Counter(reference)
        for word in ours.keys() | theirs.keys():
            bucket = int(np.searchsorted(bounds, frequency.get(word, 0), side="right")) - 1
            both = 2 * min(ours[word], theirs[word])
            counted[bucket, place] += both, ours[word] + theirs[word]
    found = zip(BUCKETS.values(), counted, strict=True)
    return {name: one for name, one in found if one[:, 1].any()}


def percent(counted: np.ndarray) -> float:
    """Return the measure of all sentences, of their counts (N,2)."""
    above, below = counted.sum(0).tolist()
    return 100 * above / below
