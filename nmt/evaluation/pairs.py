"""The scores of each pair of languages, where a test set has several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nmt.data.corpus import Lines
from nmt.data.pairs import Pair
from nmt.evaluation.likelihood import likelihood
from nmt.metrics.bleu import BLEU_OF, bleu_and_chrf


def bleu_of_pairs(
    hypotheses: Sequence[str], references: Sequence[str], places: Mapping[str, range]
) -> dict[str, float]:
    """Return the BLEU of the lines of each pair, by ``bleu_`` and its name."""
    return {
        f"{BLEU_OF}{name}": scored(hypotheses, references, name, place)["bleu"]
        for name, place in places.items()
    }


def scores_of_pairs(
    hypotheses: Sequence[str], lines: Lines, losses: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Return the scores of each pair for result.json.

    ``first`` is the number of its first line, from 1; it has ``sentences`` lines from there on.
    Scores are those of :func:`nmt.metrics.bleu.score`, with the same signatures.
    """
    return {
        name: {
            "first": place.start + 1,
            "sentences": len(place),
            **scored(hypotheses, lines.target, name, place),
            **likelihood(losses[place.start : place.stop]),
        }
        for name, place in lines.pairs.items()
    }


def scored(
    hypotheses: Sequence[str], references: Sequence[str], name: str, place: range
) -> dict[str, float]:
    """Return BLEU and chrF of the lines of a pair."""
    ours, theirs = (list(side[place.start : place.stop]) for side in (hypotheses, references))
    return bleu_and_chrf(ours, theirs, Pair.of(name).target)


def pair_rows(pairs: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int, float, float, float]]:
    """Return the rows of a table of the scores of pairs; its header is PAIRS."""
    return [
        (name, one["sentences"], one["bleu"], one["chrf"], one["loss"])
        for name, one in pairs.items()
    ]


PAIRS = ("pair", "sentences", "BLEU", "chrF", "loss")
