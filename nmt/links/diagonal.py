"""A small statistical aligner without chance: the model of fast_align.

Dyer, Chahuneau and Smith 2013 (A simple, fast, and effective reparameterization of IBM Model 2).
Target word i of m comes of source word j of n with probability

    p(j | i, m, n) = p₀ for no word, else (1 − p₀) · exp(−λ |i/m − j/n|) / Z
    p(f_i, j | e)  = p(j | i, m, n) · t(f_i | e_j)

The translations t are learned by five rounds of EM under a Dirichlet prior, as by fast_align's
defaults. λ stays 4, where fast_align starts. Words that are hardly ever translated into each other
are not linked; fast_align links them with a word nearby. The same text has the same links: eflomal
(:mod:`nmt.links.statistical`) draws at random from no seed, and has to learn again for every
translation of a text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import digamma

from nmt.links.links import Links
from nmt.stages import counted

Words = Sequence[str]

ROUNDS = 5
LAMBDA = 4.0
NOWHERE = 0.08  # p₀
ALPHA = 0.01  # of the Dirichlet prior
LEAST = 1e-2  # t that is kept: other words are never linked
MOST = 2**22  # possible links that are learned from, seconds of work: pairs are taken evenly
NO_WORD, UNKNOWN = 0, -1  # numbers of words: no source word, and one that was not learned


class Grid(NamedTuple):
    """All possible links of some pairs: for each target word no word, then each source word."""

    source: np.ndarray  # (K,) number of the source word
    target: np.ndarray  # (K,)
    prior: np.ndarray  # (K,) p(j | i, m, n)
    starts: np.ndarray  # (P,) where the links of each target word begin
    sizes: np.ndarray  # (P,) how many it has


@dataclass(frozen=True)
class Lexicon:
    """t(f | e) of one direction. Words are lower-cased by who calls.

    Args:
        source: numbers of the source words, from 1.
        target: numbers of the target words, from 0.
        pairs: (K,) sorted: number of the source word times the target words, plus that of the
            target word.
        probability: (K,) t of each.
    """

    source: dict[str, int]
    target: dict[str, int]
    pairs: np.ndarray
    probability: np.ndarray

    @classmethod
    def learn(cls, source: Sequence[Words], target: Sequence[Words]) -> "Lexicon":
        """Learn from a text: line n of ``target`` translates line n of ``source``."""
        chosen = evenly(source, target)
        source, target = [source[n] for n in chosen], [target[n] for n in chosen]
        sources, targets = numbered(source, first=1), numbered(target, first=0)
        grid = grid_of(source, target, sources, targets)
        width = max(1, len(targets))
        pairs, place = np.unique(grid.source * width + grid.target, return_inverse=True)
        word = pairs // width  # the source word of each pair
        choices = np.bincount(word)[word]  # target words beside it
        t = np.ones(len(pairs), dtype=np.float32)
        for _ in counted(range(ROUNDS), ROUNDS):
            expected = np.bincount(place, posterior(grid, t[place]), len(pairs))
            totals = np.bincount(word, expected)[word]
            t = np.exp(digamma(expected + ALPHA) - digamma(totals + ALPHA * choices))
            t = t.astype(np.float32)
        kept = (t >= LEAST) | (word == NO_WORD)
        return cls(sources, targets, pairs[kept], t[kept])

    def links(self, source: Sequence[Words], target: Sequence[Words]) -> list[Links]:
        """Link each target word of each pair with the most probable source word, or with none."""
        grid = grid_of(source, target, self.source, self.target)
        value = grid.prior * self.of(grid.source, grid.target)
        found: list[set[tuple[int, int]]] = [set() for _ in target]
        at = [(n, i) for n, line in enumerate(target) if source[n] for i in range(len(line))]
        for (n, i), start, size in zip(at, grid.starts, grid.sizes, strict=True):
            best = int(value[start : start + size].argmax())
            if best:
                found[n].add((best - 1, i))
        return [frozenset(one) for one in found]

    def of(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return t of pairs of words, by their numbers; 0 where it is not kept."""
        if not len(self.pairs):
            return np.zeros(len(source))
        key = source * max(1, len(self.target)) + target
        place = np.searchsorted(self.pairs, key).clip(max=len(self.pairs) - 1)
        known = (self.pairs[place] == key) & (target >= 0) & (source >= 0)
        return np.where(known, self.probability[place], 0)

    def save(self, path: Path) -> None:
        """Write it as .npz."""
        texts = {"source": list(self.source), "target": list(self.target)}
        words = {side: np.frombuffer("\n".join(one).encode(), "u1") for side, one in texts.items()}
        arrays = {"pairs": self.pairs, "probability": self.probability, **words}
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """Read what :meth:`save` wrote. OSError, ValueError or KeyError for anything else."""
        with np.load(path, allow_pickle=False) as found:
            source, target = (read_words(found[side]) for side in ("source", "target"))
            pairs, probability = found["pairs"], found["probability"]
            if pairs.dtype.kind != "i" or pairs.ndim != 1 or pairs.shape != probability.shape:
                raise ValueError("it is not a lexicon")
            return cls(
                {word: number for number, word in enumerate(source, 1)},
                {word: number for number, word in enumerate(target)},
                pairs,
                probability,
            )


def read_words(content: np.ndarray) -> list[str]:
    """Return the words of their bytes, which stand on lines."""
    text = content.tobytes().decode()
    return text.split("\n") if text else []


def posterior(grid: Grid, t: np.ndarray) -> np.ndarray:
    """Return the probability of each possible link, given both sentences; t: (K,)."""
    joint = grid.prior * t
    return joint / sums(joint, grid.starts, grid.sizes)


def sums(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return for each possible link the sum over all links of its target word, (K,)."""
    return np.repeat(np.add.reduceat(values, starts) if len(starts) else values, sizes)


def numbered(lines: Iterable[Words], first: int) -> dict[str, int]:
    """Number the words in the order in which they come."""
    words = dict.fromkeys(word for line in lines for word in line)
    return {word: number for number, word in enumerate(words, first)}


def evenly(source: Sequence[Words], target: Sequence[Words]) -> list[int]:
    """Choose the pairs to learn from: those with words on both sides, evenly up to MOST links."""
    sizes = {n: len(t) * (1 + len(source[n])) for n, t in enumerate(target) if t and source[n]}
    total = sum(sizes.values())
    number = len(sizes) if total <= MOST else len(sizes) * MOST // total
    numbers = list(sizes)
    return [numbers[k * len(sizes) // number] for k in range(number)]


def grid_of(
    source: Sequence[Words],
    target: Sequence[Words],
    sources: dict[str, int],
    targets: dict[str, int],
) -> Grid:
    """List the possible links of all pairs with words on both sides; unknown words are -1."""
    both = [(s, t) for s, t in zip(source, target, strict=True) if s and t]
    n = np.array([len(s) for s, _ in both], dtype=np.int64)  # (B,)
    m = np.array([len(t) for _, t in both], dtype=np.int64)  # (B,)
    sizes = np.repeat(n + 1, m)  # (P,)
    starts = np.cumsum(sizes) - sizes
    i = np.arange(m.sum()) - np.repeat(np.cumsum(m) - m, m)  # (P,) from 0
    j = np.arange(sizes.sum()) - np.repeat(starts, sizes)  # (K,) 0: no word
    words: list[int] = []
    for s, _ in both:
        words += [NO_WORD, *(sources.get(word, UNKNOWN) for word in s)]
    begin = np.repeat(np.cumsum(n + 1) - (n + 1), m)  # (P,) of the pair's source words
    where = np.repeat(begin, sizes) + j
    numbers = np.array([targets.get(word, UNKNOWN) for _, t in both for word in t], np.int64)
    across = np.repeat(((i + 1) / np.repeat(m, m)).astype(np.float32), sizes)
    across -= j / np.repeat(np.repeat(n, m).astype(np.float32), sizes)
    prior = np.exp(-LAMBDA * abs(across))
    prior[j == 0] = 0
    prior *= np.float32(1 - NOWHERE) / sums(prior, starts, sizes)
    prior[j == 0] = NOWHERE
    return Grid(
        np.array(words, np.int64)[where],
        np.repeat(numbers, sizes),
        prior,
        starts,
        sizes,
    )


def both_directions(
    forward: Lexicon, backward: Lexicon, source: Sequence[Words], target: Sequence[Words]
) -> Iterator[tuple[Links, Links]]:
    """Yield the links of each pair as both directions see them, as (source word, target word)."""
    there, back = forward.links(source, target), backward.links(target, source)
    for one, other in zip(there, back, strict=True):
        yield one, frozenset((i, j) for j, i in other)
