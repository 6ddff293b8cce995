"""The alignment error rate: how far links are from those that people gave (Och and Ney 2003)."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from nmt.links.links import Gold, Links


class Counts(NamedTuple):
    """Numbers of links, of a sentence pair or of a corpus: A is what was found, S sure, P possible.

    The rates are of Och and Ney 2003, section 6; they are shares, from 0 to 1.
    """

    found: int = 0  # |A|
    sure: int = 0  # |S|
    in_sure: int = 0  # |A∩S|
    in_possible: int = 0  # |A∩P|

    @classmethod
    def of(cls, links: Links, gold: Gold) -> Self:
        """Count one sentence pair."""
        sure, possible = gold
        return cls(len(links), len(sure), len(links & sure), len(links & possible))

    def plus(self, other: "Counts") -> "Counts":
        """Count two texts as one."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def error(self) -> float:
        """AER = 1 - (|A∩S| + |A∩P|) / (|A| + |S|); 0 where there is nothing on either side."""
        total = self.found + self.sure
        return 1 - (self.in_sure + self.in_possible) / total if total else 0.0

    @property
    def precision(self) -> float:
        """|A∩P| / |A|; 0 where nothing was found."""
        return self.in_possible / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """|A∩S| / |S|; 0 where nothing is sure."""
        return self.in_sure / self.sure if self.sure else 0.0


def count(sentences: Iterable[Links], gold: Iterable[Gold]) -> Counts:
    """Count a whole text, line n of both belonging together."""
    total = Counts()
    for links, truth in zip(sentences, gold, strict=True):
        total = total.plus(Counts.of(links, truth))
    return total
