"""Both directions of a text: two models' attention, or a statistical aligner's links."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from nmt.alignment.attention import LinkRule
from nmt.alignment.choice import Asked
from nmt.alignment.load import asking
from nmt.alignment.model import from_attention
from nmt.data.corpus import Lines
from nmt.links.bitext import Bitext
from nmt.links.links import flip
from nmt.links.result import Found, both_ways
from nmt.links.statistical import statistical_links
from nmt.run import Translator


class Direction(NamedTuple):
    """A model and the run folder it comes from."""

    translator: Translator
    run: str


class FromModels(NamedTuple):
    """What the attention of a model found, or that of two directions."""

    found: list[Found]
    chosen: Found  # the symmetrized links, or the only ones
    weights: list[Tensor]  # (T,S) words, of each line, of the first model
    readings: list[str]  # which attention it was, in words
    about: dict[str, Any]  # the same for result.json


def from_models(
    forward: Direction,
    backward: Direction | None,
    text: Bitext,
    dev: Bitext | None,
    asked: Asked,
    rule: LinkRule,
    symmetrize: str,
    of: str = "weights",
) -> FromModels:
    """Align a text with a model, and with one of the other direction where there is one.

    ``of`` is what is read of attention, a key of `nmt.models.contributions.MEASURES`. ``dev`` has
    gold links, by which the best attention is chosen; UserError as in
    :func:`nmt.alignment.model.from_attention`.
    """
    here, there = arrows(text)
    name = "attention" if of == "weights" else of
    one = from_attention(*forward, text, dev, asked, rule, of)
    only = Found(f"{name} {here}", one.links)
    readings = [f"{name} {here}: {one.reading}"]
    if backward is None:
        return FromModels([only], only, one.weights, readings, {"reading": one.about})
    turned, turned_dev = (one and turned_for(backward.translator, one) for one in (text, dev))
    assert turned is not None
    other = from_attention(*backward, turned, turned_dev, asked, rule, of)
    readings.append(f"{name} {there}: {other.reading}")
    flipped = Found(f"{name} {there}", [flip(links) for links in other.links])
    found = both_ways(name, only, flipped)
    (chosen,) = (row for row in found if row.aligner == f"{name} {symmetrize}")
    about = {"reading": one.about, "reverse_reading": other.about}
    return FromModels(found, chosen, one.weights, readings, about)


def turned_for(translator: Translator, text: Bitext) -> Bitext:
    """Return a text with source and target exchanged, as the model of that direction reads it."""
    text = text._replace(source=text.source.without_asking())
    source = asking(text.target, translator, text.source.language)
    return text._replace(target=source).flipped()


def from_statistics(train: Lines, text: Bitext, cache: Path) -> list[Found]:
    """Align a text with a statistical aligner that learns from it and from a training text."""
    forward, backward = (
        Found(f"eflomal {arrow}", links)
        for arrow, links in zip(arrows(text), statistical_links(train, text, cache), strict=True)
    )
    return both_ways("eflomal", forward, backward)


def arrows(text: Bitext) -> tuple[str, str]:
    """Return the names of the two directions."""
    source, target = text.source.language, text.target.language
    return f"{source} → {target}", f"{target} → {source}"
