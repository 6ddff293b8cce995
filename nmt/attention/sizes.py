"""Limits on the size of a model: beyond them it would fill the memory, or take forever to build."""

from collections.abc import Mapping

from nmt.errors import at_least, at_most

MAX_LAYERS = 128
MAX_WIDTH = 65_536


def check_widths(settings: Mapping[str, int | None]) -> None:
    """Raise UserError for a width or a number of positions, by key, that no model has."""
    at_least(1, settings)
    at_most(MAX_WIDTH, settings)


def check_sizes(**sizes: int | None) -> None:
    """Raise UserError for a width or a number of layers, by key, that is no size of a model."""
    settings = {f"model.{name}": size for name, size in sizes.items()}
    layers = {key: size for key, size in settings.items() if key.endswith("_layers")}
    at_least(1, settings)
    at_most(MAX_LAYERS, layers)
    check_widths({key: size for key, size in settings.items() if key not in layers})
