"""Choices for one place or one layer: encoder.window=local_m, decoder.2.sink=zero."""

from collections.abc import Iterator

from nmt.attention.place import Place


def is_placed(key: str) -> bool:
    """Tell whether a key is of one place alone."""
    return key.partition(".")[0] in tuple(Place) and "." in key


def wider(key: str) -> Iterator[str]:
    """Yield the keys whose value holds where a key is not given, the narrowest first.

    encoder.2.window: encoder.window, window. encoder.heads: model.heads.
    """
    place, _, name = key.partition(".")
    if place not in tuple(Place):
        return
    layer, _, of_layer = name.partition(".")
    if layer.isdecimal() and of_layer:
        name = of_layer
        yield f"{place}.{name}"
    yield name
    yield f"model.{name}"
