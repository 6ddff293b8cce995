"""Which attention to read: the one that is asked for, or the best of all on gold links."""

from itertools import product
from typing import NamedTuple

from nmt.alignment.attention import WEIGHTS, LinkRule, Reading, Shape, word_weights
from nmt.errors import UserError
from nmt.links.bitext import Bitext
from nmt.links.error import Counts
from nmt.models.contributions import Measure
from nmt.run import Translator

BEST = "best"


class Asked(NamedTuple):
    """What the user asked for: a number from 1, None (the mean), or `BEST`; of shift a bool."""

    layer: int | str | None
    head: int | str | None
    shift: bool | str

    def readings(self, shape: Shape, run: str) -> list[Reading]:
        """Return all that it may mean for a model: several where the best is to be found.

        UserError, with the key, for what no model or not this one has.
        """
        layers = places("layer", self.layer, shape.layers, run)
        heads = places("head", self.head, shape.heads, run)
        if not isinstance(self.shift, bool) and self.shift != BEST:
            raise UserError(f"shift={self.shift}: must be true, false or {BEST}")
        shifts = [self.shift] if isinstance(self.shift, bool) else [False, True]
        return [Reading(*one) for one in product(layers, heads, shifts)]


def places(key: str, asked: int | str | None, count: int, run: str) -> list[int | None]:
    """Return the places from 0 that a key means, of a model that has ``count``; None: the mean."""
    if asked is None:
        return [None]
    if asked == BEST:
        return [None, *range(count)] if count > 1 else [None]
    if not isinstance(asked, int) or isinstance(asked, bool):
        raise UserError(f"{key}={asked}: must be a number from 1, null (the mean) or {BEST}")
    if not 1 <= asked <= count:
        raise UserError(f"{key}={asked}: {run} has {count}, counted from 1")
    return [asked - 1]


def best_reading(
    translator: Translator,
    dev: Bitext,
    readings: list[Reading],
    rule: LinkRule,
    measure: Measure = WEIGHTS,
) -> tuple[Reading, Counts]:
    """Return the reading with the lowest alignment error on text with gold links, and its counts.

    Of several that are equally good, the first.
    """
    assert dev.gold is not None
    totals = [Counts()] * len(readings)
    for n, weights in word_weights(translator, dev, readings, measure):
        found = [Counts.of(rule(one), dev.gold[n]) for one in weights]
        totals = [total.plus(new) for total, new in zip(totals, found, strict=True)]
    best = min(range(len(readings)), key=lambda place: totals[place].error)
    return readings[best], totals[best]


def described(reading: Reading, shape: Shape) -> str:
    """Say which attention a reading takes, as far as a model has several."""
    layer = "mean of layers" if reading.layer is None else f"layer {reading.layer + 1}"
    head = "mean of heads" if reading.head is None else f"head {reading.head + 1}"
    parts = [layer] * (shape.layers > 1) + [head] * (shape.heads > 1)
    where = "read" if reading.shift else "predicted"
    return ", ".join([*parts, f"where a piece is {where}"])
