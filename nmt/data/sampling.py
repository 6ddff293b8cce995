"""Random segmentations: subword regularization (Kudo 2018) and BPE-dropout (Provilkov et al. 2020).

SentencePiece samples too, but from a generator that starts elsewhere in every process, whatever its
seed. Here the same seed returns the same pieces, so that a run can be repeated and resumed.

Pieces of these models never cross a space, so every word is cut on its own. The user's symbols are
not cut.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, log
from random import Random
from typing import Any, NamedTuple

WORD = re.compile("▁?[^▁]+|▁")  # of normalized text
UNKNOWN_PENALTY = 10.0  # below the worst piece, as SentencePiece has it


class Choice(NamedTuple):
    """The pieces that may end at one place of a word."""

    starts: list[int]
    ids: list[list[int]]
    cumulative: list[float]  # of their probabilities


class Sampler:
    """Cuts lines at random with a SentencePiece model (``processor``), unigram or BPE.

    ``symbols`` are never cut.
    ``smoothing`` is α of Kudo 2018, section 3.2: 0 draws all segmentations with equal probability;
    the larger it is, the more probable is the best one. For BPE it is the share of merges that are
    skipped.
    """

    def __init__(
        self, processor: Any, kind: str, smoothing: float, symbols: Sequence[str] = ()
    ) -> None:
        self.processor = processor
        self.smoothing = smoothing
        self.symbols = {symbol: processor.piece_to_id(symbol) for symbol in symbols}
        longest_first = sorted(map(re.escape, symbols), key=len, reverse=True)
        self.around = re.compile(f"({'|'.join(longest_first)})") if symbols else None
        usual = [
            index
            for index in range(processor.get_piece_size())
            if not (processor.is_control(index) or processor.is_unknown(index))
            and not processor.is_byte(index)
            and processor.id_to_piece(index) not in self.symbols
        ]
        self.ids = {processor.id_to_piece(index): index for index in usual}
        self.scores = {piece: processor.get_score(index) for piece, index in self.ids.items()}
        self.longest = max(map(len, self.ids), default=1)
        self.worst = min(self.scores.values(), default=0.0) - UNKNOWN_PENALTY
        self.choices = lru_cache(maxsize=100_000)(self._choices)
        cuts: dict[str, Callable[[str, Random], list[int]]] = {
            "unigram": self.by_likelihood,
            "bpe": self.by_merges,
        }
        self.cut = cuts[kind]

    def __call__(self, line: str, random: Random) -> list[int]:
        """Cut a line."""
        words = self.words(self.processor.normalize(line))
        drawn = [
            index
            for word in words
            for index in ([self.symbols[word]] if word in self.symbols else self.cut(word, random))
        ]
        unknown = self.processor.unk_id()  # one for several neighbours
        return [a for a, b in zip(drawn, [None, *drawn], strict=False) if a != unknown or b != a]

    def words(self, line: str) -> Iterator[str]:
        """Yield the symbols of a normalized line, and the words between them."""
        for part in self.around.split(line) if self.around else (line,):
            yield from (part,) if part in self.symbols else WORD.findall(part)

    def by_likelihood(self, word: str, random: Random) -> list[int]:
        """Draw a segmentation x with probability ∝ P(x)^α, from the end of the word to its start.

        Forward filtering and backward sampling (Scott 2002).
        """
        choices = self.choices(word)
        found: list[list[int]] = []
        end = len(word)
        while end:
            starts, ids, cumulative = choices[end]
            drawn = min(bisect(cumulative, random.random() * cumulative[-1]), len(starts) - 1)
            found.append(ids[drawn])
            end = starts[drawn]
        return [index for ids in reversed(found) for index in ids]

    def _choices(self, word: str) -> list[Choice]:
        """For each place of a word, the pieces that end there; none end at the first."""
        mass = [0.0]  # log of the sum over all segmentations up to here
        choices = [Choice([], [], [])]
        for end in range(1, len(word) + 1):
            starts = [
                start
                for start in range(max(0, end - self.longest), end)
                if word[start:end] in self.ids or end - start == 1
            ]
            pieces = [word[start:end] for start in starts]
            weights = [
                mass[start] + self.smoothing * self.scores.get(piece, self.worst)
                for start, piece in zip(starts, pieces, strict=True)
            ]
            top = max(weights)
            shares = [exp(weight - top) for weight in weights]
            mass.append(top + log(sum(shares)))
            ids = [self.spelt(piece) for piece in pieces]
            choices.append(Choice(starts, ids, list(accumulate(shares))))
        return choices

    def by_merges(self, word: str, random: Random) -> list[int]:
        """Merge the best pair of neighbours repeatedly, skipping some pairs at random each time."""
        parts = list(word)
        while True:
            pairs = [
                (-self.scores[both], place)
                for place, both in enumerate(map("".join, pairwise(parts)))
                if both in self.scores and random.random() >= self.smoothing
            ]
            if not pairs:
                return [index for part in parts for index in self.spelt(part)]
            _, place = min(pairs)
            parts[place : place + 2] = ["".join(parts[place : place + 2])]

    def spelt(self, piece: str) -> list[int]:
        """Return the id of a piece; for a character without one its bytes, or unk."""
        if piece in self.ids:
            return [self.ids[piece]]
        unknown = self.processor.unk_id()
        found = [self.processor.piece_to_id(f"<0x{byte:02X}>") for byte in piece.encode()]
        return [unknown] if unknown in found else found
