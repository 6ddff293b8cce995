"""Choices for one place or one layer: encoder.window=local_m, decoder.2.sink=zero."""

from collections.abc import Iterator

from nmt.attention.place import CHOICES, Place
from nmt.config.yamls import config_folder


def as_choice(word: str) -> str:
    """Return a word for a place in Hydra's own words; others stay as they are.

    `encoder.window=local_m` is a choice of configs/window put there, `encoder.heads=2` a new key.
    """
    key, equals, value = word.partition("=")
    if not equals or not is_placed(key):
        return word
    name = key.rpartition(".")[2]
    chosen = name in CHOICES and (config_folder() / name).is_dir() and value[:1] != "{"
    return f"+{name}@{word}" if chosen and value != "null" else f"++{word}"


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
