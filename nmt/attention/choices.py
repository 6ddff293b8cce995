"""The parts of a model's attentions: in every place, in one place, in one layer of it."""

from collections.abc import Mapping
from typing import Any

from nmt.attention.attend import Attend
from nmt.attention.build import build_attention
from nmt.attention.place import CHOICES, Place
from nmt.errors import UserError

Own = Mapping[str, Any]  # choices of a place, and those of a layer under its number, "1" the lowest
NOTHING: Own = {}


class Choices:
    """The choices of a model for its attentions.

    Those of a layer (``encoder.2.window=``) override those of its place (``encoder.window=``), and
    these override those of the model (``window=``).

    shared: the choices of the model, for every place
    own:    the choices for single places and layers
    """

    def __init__(self, shared: Mapping[str, Any], own: Mapping[Place, Own]) -> None:
        self.shared = shared
        self.own = own

    def at(self, place: Place, layer: int = 1) -> dict[str, Any]:
        """Return the choices for a layer, counted from 1."""
        return {**self.shared, **self.own_at(place, layer)}

    def own_at(self, place: Place, layer: int) -> dict[str, Any]:
        """Return the choices of a layer, its own and those of its place."""
        of_place = self.own[place]
        of_layer = of_place.get(str(layer)) or {}
        return {
            key: value
            for own in (of_place, of_layer)
            for key, value in own.items()
            if key in CHOICES and value is not None
        }

    def check_layers(self, place: Place, number: int) -> None:
        """Raise UserError for choices of layers other than 1 to ``number``."""
        for key in self.own[place]:
            if key not in CHOICES and not (key.isdecimal() and 1 <= int(key) <= number):
                there = f"layers 1 to {number}" if number > 1 else "layer 1 alone"
                raise UserError(f"{place}.{key}: in this place, the model has {there}")

    def build(self, place: Place, layer: int, *widths: int, **options: Any) -> Attend:
        """Build an attention for widths of query, key and value, see :func:`build_attention`.

        ``options`` override the choices of the model, but not those of places and layers.
        """
        own = self.own_at(place, layer)
        chosen = {**self.shared, **options, **own}
        score = chosen.pop("attention")
        try:
            return build_attention(*widths, score=score, place=place, layer=layer, **chosen)
        except UserError as error:
            if own:
                raise UserError(f"{place}.{layer}: {error}") from error
            raise
