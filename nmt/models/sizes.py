"""How large a model may be: what nobody trains would only fill the memory, or build for ever."""

from nmt.errors import at_least, at_most

MAX_LAYERS = 128
MAX_WIDTH = 65_536


def check_sizes(**sizes: int | None) -> None:
    """Raise UserError for a width or a number of layers, by key, that is no size of a model."""
    settings = {f"model.{name}": size for name, size in sizes.items()}
    at_least(1, settings)
    layers = {key: settings[key] for key in settings if key.endswith("_layers")}
    at_most(MAX_LAYERS, layers)
    at_most(MAX_WIDTH, {key: size for key, size in settings.items() if key not in layers})
