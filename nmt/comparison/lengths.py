"""BLEU by the length of the source (Bahdanau et al. 2015, fig. 2), with confidence bands."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.comparison.counts import RunCounts
from nmt.comparison.influence import bleu_of_sums
from nmt.comparison.variants import Variant
from nmt.data.language import spaceless

WIDTHS = (1, 2, 5, 10, 20, 50, 100)  # of a bucket
MAX_BUCKETS = 8
MIN_SENTENCES = 30  # of a bucket
SAMPLES = 1000  # of the bootstrap
BAND = (2.5, 97.5)  # percentiles
SEED = 12345  # sacreBLEU's


class Bucket(NamedTuple):
    """The sentences of similar length."""

    shortest: int
    longest: int
    places: np.ndarray  # (N,) of the sentences, from 0
    length: float  # their mean

    @property
    def label(self) -> str:
        """Write its lengths."""
        same = self.shortest == self.longest
        return str(self.shortest) if same else f"{self.shortest}–{self.longest}"


class Band(NamedTuple):
    """A score and its 95 % bootstrap interval over sentences."""

    score: float
    low: float
    high: float


def source_lengths(sources: list[str], language: str) -> np.ndarray:
    """Count the words of each source, (N,); characters in languages without spaces."""
    if spaceless(language):
        return np.array([len("".join(line.split())) for line in sources])
    return np.array([len(line.split()) for line in sources])


def lengths_of(variant: Variant) -> list[Bucket] | None:
    """Sort the sources of a variant by length; None: its run folders have no texts."""
    run = variant.runs[0]
    if run.sources is None or run.references is None:
        return None
    return buckets(source_lengths(run.sources, language_of(variant)))


def unit_of(variant: Variant) -> str:
    """Name the unit of the length of its sources."""
    return "characters" if spaceless(language_of(variant)) else "words"


def language_of(variant: Variant) -> str:
    """Return the language of its sources."""
    return str(variant.identity.get("data.source", "en"))


def buckets(lengths: np.ndarray) -> list[Bucket]:
    """Sort sentences by length: up to 8 buckets of a round width, of 30 sentences at least.

    A bucket with fewer joins its neighbour; the last has all longer ones.
    """
    most = float(np.percentile(lengths, 99))
    width = next((width for width in WIDTHS if most <= width * MAX_BUCKETS), WIDTHS[-1])
    ends = [width * (k + 1) for k in range(MAX_BUCKETS - 1)]
    bounds: list[tuple[int, int]] = []
    first = 0
    for end in [*ends, int(lengths.max())]:
        if ((lengths >= first) & (lengths <= end)).sum() >= MIN_SENTENCES:
            bounds.append((first, end))
            first = end + 1
    start = bounds.pop()[0] if bounds else 0
    bounds.append((start, int(lengths.max())))  # with what is left over
    found = [np.flatnonzero((lengths >= low) & (lengths <= high)) for low, high in bounds]
    return [
        Bucket(max(low, int(lengths.min())), high, places, float(lengths[places].mean()))
        for (low, high), places in zip(bounds, found, strict=True)
    ]


def band(counted: list[np.ndarray]) -> Band:
    """Return the mean BLEU of several runs over the same sentences, each (N,10), with its band."""
    draw = np.random.default_rng(SEED)
    num = len(counted[0])
    drawn = draw.multinomial(num, np.full(num, 1 / num), size=SAMPLES)  # (SAMPLES,N)
    sampled = np.mean([bleu_of_sums(drawn @ one) for one in counted], axis=0)
    low, high = np.percentile(sampled, BAND)
    return Band(float(np.mean([bleu_of_sums(one.sum(0)) for one in counted])), low, high)


def bleu_by_length(
    variant: Variant, found: list[Bucket], test_set: str, counts: Mapping[Path, RunCounts]
) -> list[float]:
    """Return the BLEU of a variant in each bucket, as :func:`by_length` without its bands."""
    counted = bleu_counts(variant, test_set, counts)
    return [
        float(np.mean([bleu_of_sums(one[b.places].sum(0)) for one in counted]))
        for b in (found if counted else ())
    ]


def bleu_counts(
    variant: Variant, test_set: str, counts: Mapping[Path, RunCounts]
) -> list[np.ndarray]:
    """Return the counts behind the BLEU of each run on a test set."""
    return [
        here["bleu"]
        for run in variant.runs
        if "bleu" in (here := counts[run.folder].get(test_set, {}))
    ]


def by_length(
    variant: Variant, found: list[Bucket], test_set: str, counts: Mapping[Path, RunCounts]
) -> list[Band]:
    """Return the score of a variant in each bucket: the mean over its runs. Empty: no texts."""
    counted = bleu_counts(variant, test_set, counts)
    return [band([one[b.places] for one in counted]) for b in found] if counted else []
