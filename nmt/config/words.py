"""What is typed, in Hydra's own words."""

import inspect
import re
from typing import Any

from hydra.core.config_store import ConfigStore

from nmt.attention.place import CHOICES
from nmt.config.kinds import KINDS, MADE_LATER, REST, class_for, given_to
from nmt.config.own import own_choices, part_of
from nmt.config.places import is_placed
from nmt.config.yamls import config_folder
from nmt.errors import UserError

PLAIN = (type(None), bool, int, float, str, list)  # what a yaml can hold


def as_choice(word: str) -> str:
    """Return a typed word in Hydra's own words; most stay as they are.

    `encoder.window=local_m` is a choice of configs/window put there, `encoder.heads=2` a new key.
    The classes of the user's own in `attention=my_attention:MyScore` become choices of Hydra's.
    """
    key, equals, value = word.partition("=")
    for name, target in own_choices(word).items():
        offer(part_of(key), name, target)
    if not equals or not is_placed(key):
        return word
    name = key.rpartition(".")[2]
    chosen = name in CHOICES and (config_folder() / name).is_dir() and value[:1] != "{"
    check_layer(key)
    if chosen and "," in value and "null" in value.split(","):
        raise UserError(
            f"{word}: null is not possible for a part in a sweep: name the choice of the model"
        )
    return f"+{name}@{word}" if chosen and value != "null" else f"++{word}"


def check_layer(key: str) -> None:
    """Raise UserError for what stands in the place of a layer's number and is not one."""
    place, layer, *rest = key.split(".")
    if rest and not layer.isidentifier() and not re.fullmatch("0|[1-9][0-9]*", layer):
        raise UserError(
            f"{key}: {layer} is not a layer. Layers count from 1, the lowest: {place}.1.{rest[0]}"
        )


def offer(part: str, name: str, target: str) -> None:
    """Make a class, module:Class, a choice of a part: as if there were a yaml of that name.

    UserError where it is none.
    """
    if part not in KINDS:
        raise UserError(f"{part}={name}: a class can be chosen for {', '.join(KINDS)}")
    try:
        node = node_of(part, target.replace(":", "."))
    except UserError as error:
        raise UserError(f"{part}={name}: {error}") from error
    ConfigStore.instance().store(name, node, part)


def node_of(part: str, name: str) -> dict[str, Any]:
    """Return what a yaml would have for a class, module.Class: what is built, and its settings.

    They have the defaults of its constructor; those without one have to be typed. UserError where
    there is no such class for the part.
    """
    node: dict[str, Any] = {"_target_": name}
    if part in MADE_LATER:
        node["_partial_"] = True
    for key, parameter in inspect.signature(class_for(part, name)).parameters.items():
        if key in given_to(part) or parameter.kind in REST:
            continue
        if parameter.default is parameter.empty:
            node[key] = "???"
        elif isinstance(parameter.default, PLAIN):
            node[key] = parameter.default
    return node
