"""Attention weights as data."""

from typing import NamedTuple

import numpy as np

from nmt.attention.place import Place


class Weights(NamedTuple):
    """All attention weights of a model over a sentence and its target.

    ``weights`` has an array for each place where the model attends, of L layers (hops are layers of
    their own) and H heads, none above 1:

    - ``cross`` (L,H,T,S): where the model looked in the source when it predicted a target piece;
    - ``encoder`` (L,H,S,S): source pieces at source pieces;
    - ``decoder`` (L,H,T,T): a piece that was read, at those read before: rows and columns are
      ``<s>`` and all target pieces but ``</s>``.
    """

    line: int  # its number in the text, from 1
    source: str
    target: str
    source_pieces: list[str]  # S, ``</s>`` is the last
    target_pieces: list[str]  # T, as they are predicted: ``</s>`` is the last
    score: float | None  # log P / lp(Y), which the search gave; None: the target was given
    log_p: np.ndarray  # (T,) ln P of each target piece, in the forced pass
    weights: dict[str, np.ndarray]

    def sizes(self, place: str) -> tuple[int, int]:
        """Return how many queries and keys there are in a place."""
        source, target = len(self.source_pieces), len(self.target_pieces)
        return {
            Place.CROSS: (target, source),
            Place.ENCODER: (source, source),
            Place.DECODER: (target, target),
        }[Place(place)]
