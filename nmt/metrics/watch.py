"""Which of two dev scores is better: ``bleu`` is good high, ``loss`` low, and NaN never is."""

from math import inf, isnan


def badness(score: float | None, watch: str) -> float:
    """Return a number that is low for a good score, and inf for NaN and for none at all."""
    if score is None or isnan(score):
        return inf
    return score if watch == "loss" else -score


def is_better(now: float, best: float | None, watch: str) -> bool:
    """Tell whether a score is better than the best so far (None: there was no number yet)."""
    return badness(now, watch) < badness(best, watch)


def worst(watch: str) -> float:
    """Return the worst score there can be."""
    return inf if watch == "loss" else -inf
