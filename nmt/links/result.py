"""What several aligners found on one text: a table, and what result.json says."""

from typing import Any, NamedTuple

from nmt.links.error import count
from nmt.links.links import Gold, Links
from nmt.links.symmetrize import SYMMETRIZATIONS
from nmt.terminal.table import Cell

LINKS = ("aligner", "links")
SCORED = (*LINKS, "AER %", "precision %", "recall %")


class Found(NamedTuple):
    """The links that one aligner gave each line."""

    aligner: str
    links: list[Links]


def both_ways(name: str, forward: Found, backward: Found) -> list[Found]:
    """Return two directions and what each symmetrization makes of them."""
    together = [
        Found(
            f"{name} {kind}",
            [
                symmetrize(one, other)
                for one, other in zip(forward.links, backward.links, strict=True)
            ],
        )
        for kind, symmetrize in SYMMETRIZATIONS.items()
    ]
    return [forward, backward, *together]


def scores(found: Found, gold: list[Gold] | None) -> dict[str, Any]:
    """Return what result.json says of an aligner; rates are shares from 0 to 1."""
    counts = {"aligner": found.aligner, "links": sum(len(links) for links in found.links)}
    if gold is None:
        return counts
    total = count(found.links, gold)
    rates = {"aer": total.error, "precision": total.precision, "recall": total.recall}
    return counts | {name: round(rate, 6) for name, rate in rates.items()}


def row(scored: dict[str, Any]) -> list[Cell]:
    """Return the row of a table, its header is LINKS or SCORED; rates in percent."""
    name, links, *rates = scored.values()
    return [name, links, *(100 * rate for rate in rates)]
