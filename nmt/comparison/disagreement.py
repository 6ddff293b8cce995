"""The sentences that show the difference between variants: whose translations differ most."""

from itertools import combinations

import numpy as np
from sacrebleu.metrics.chrf import CHRF

from nmt.comparison.lengths import source_lengths
from nmt.data.corpus import Lines
from nmt.data.language import spaceless
from nmt.errors import UserError

WORDS, CHARACTERS = (6, 22), (8, 40)  # of a source that can be read beside its attention
MAX_SCORES = 40_000  # about ten seconds


def sentences(
    chosen: list[int], num: int, lines: Lines, hypotheses: list[list[str]], language: str
) -> list[int]:
    """Return numbers of sentences, from 1: the chosen ones, else those that differ most.

    ``language`` is the source's. UserError for a number that is no sentence.
    """
    for number in chosen:
        if not 1 <= number <= len(lines.source):
            raise UserError(f"sentences=[{number}]: the test set has 1 to {len(lines.source):,}")
    if chosen:
        return chosen
    places = readable(lines, hypotheses, language, num)
    pairs = max(1, len(hypotheses) * (len(hypotheses) - 1) // 2)
    places = places[:: 1 + len(places) * pairs // MAX_SCORES]
    order = sorted(places, key=lambda place: (likeness([h[place] for h in hypotheses]), place))
    return sorted(place + 1 for place in order[:num])


def readable(lines: Lines, hypotheses: list[list[str]], language: str, num: int) -> list[int]:
    """Return the numbers of sources that are neither short nor long; of all, if these are few.

    It also leaves out endless translations, far longer than the reference.
    """
    low, high = CHARACTERS if spaceless(language) else WORDS
    lengths = source_lengths(lines.source, language)
    found = [
        place
        for place in np.flatnonzero((lengths >= low) & (lengths <= high)).tolist()
        if all(len(text[place]) <= 2 * len(lines.target[place]) + 20 for text in hypotheses)
    ]
    return found if len(found) >= num else np.flatnonzero(lengths > 0).tolist()


def likeness(texts: list[str]) -> float:
    """Return the mean chrF of all pairs of texts; 100: all are the same."""
    metric = CHRF()
    pairs = list(combinations(texts, 2))
    scores = [100.0 if a == b else metric.sentence_score(a, [b]).score for a, b in pairs]
    return sum(scores) / max(1, len(scores))
