"""What is wrong with a configuration, found before any data is read and said in a few words.

Hydra knows the keys and types of what the schema holds. What a ``_target_`` takes only Python
knows, so the keys of each are bound to its signature here.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)
from yaml.error import Mark, MarkedYAMLError

from nmt.attention.place import CHOICES, OF_LAYERS, Place
from nmt.config.grammar import with_quotes
from nmt.config.kinds import KINDS, REST, find_class, given_to
from nmt.config.own import offered_for
from nmt.config.settings import part_at
from nmt.config.suggestion import did_you_mean, similar, similar_keys
from nmt.errors import UserError

# Parts that some models have and others have not.
PARTS = ("cell", "bridge", "order", "positions", "feed_forward", "residual", "norm")
WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
}


def check(cfg: DictConfig) -> None:
    """Raise UserError for keys that nothing takes, that are missing, or have the wrong type.

    OmegaConf's own errors, which commands print too, for ``???`` and for references to nowhere.
    """
    check_schema(cfg, "")
    for key in cfg:
        if not OmegaConf.is_missing(cfg, key) and not OmegaConf.is_interpolation(cfg, str(key)):
            check_schema(cfg[key], str(key))
    content: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    for part, value in content.items():
        built = isinstance(value, dict) and "_target_" in value
        if part in KINDS and value and not built:
            raise UserError(
                f"{part} has no _target_, which names the class to build: choose {part}=…"
            )
    check_parts(cfg)
    check_places(cfg)
    for path in targets(cfg):
        check_target(path, OmegaConf.select(cfg, path))


def check_parts(cfg: DictConfig) -> None:
    """Refuse a part that was chosen and that the model does not have."""
    for part in PARTS:
        if cfg.get("model") and cfg.get(part) and part not in cfg.model:
            name = str(cfg.model.get("_target_")).rpartition(".")[2]
            raise UserError(f"{part}=… is not a part of model={name}: remove it")


def check_schema(node: Any, path: str) -> None:
    """Refuse what ``+key=`` and ``~key`` did to a part whose keys are fixed."""
    kind = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    if kind is None or not is_dataclass(kind):
        return
    known = [key.name for key in fields(kind)]
    for key in node:
        if key not in known and key != "_target_":
            raise no_such_key(f"{path}.{key}".lstrip("."), node, known)
    for key in known:
        if key not in node and not OmegaConf.is_missing(node, key):
            raise UserError(f"{path}.{key} is missing".lstrip("."))


def no_such_key(full_key: str, node: DictConfig, known: Iterable[str]) -> UserError:
    """Say which keys there are where one is not, and which may have been meant."""
    known = list(known)
    path = full_key.rpartition(".")[0]
    names = ", ".join(known) or "none"
    target = f" ({node['_target_']})" if "_target_" in node else ""
    meant = did_you_mean(similar_keys(full_key, known, node))
    return UserError(
        f"{full_key}: no such key.{meant} {path or 'The configuration'}{target} has {names}"
    )


def check_target(path: str, node: DictConfig) -> None:
    """Hold the keys of one part against what its class takes."""
    settings: Any = OmegaConf.to_container(node, resolve=True)
    name = str(settings.pop("_target_"))
    target = find_class(path, name)
    given = given_to(part_at(path))
    if settings.pop("_partial_", False) != bool(given):
        raise UserError(f"{path}: {name} needs _partial_: {str(bool(given)).lower()}")
    taken = {
        key: parameter
        for key, parameter in inspect.signature(target).parameters.items()
        if key not in given and parameter.kind not in REST
    }
    for key, value in settings.items():
        if key not in taken:
            raise no_such_key(f"{path}.{key}", node, taken)
        if get_origin(taken[key].annotation) is Mapping:
            continue  # choices of a place, see check_places
        if isinstance(value, dict) and "_target_" not in value:
            raise UserError(f"{path}.{key} has no _target_, which names the class to build")
        if not fits(value, taken[key].annotation):
            shown = "null" if value is None else value
            raise UserError(f"{path}.{key}={shown}: must be {in_words(key, taken[key].annotation)}")
    for key, parameter in taken.items():
        if parameter.default is parameter.empty and key not in settings:
            raise UserError(f"{path}.{key} is missing: {target.__qualname__} needs it")


def check_places(cfg: DictConfig) -> None:
    """Refuse choices of single places and layers that their attention does not have."""
    if not cfg.get("model"):
        return
    parameters = inspect.signature(find_class("model", str(cfg.model["_target_"]))).parameters
    taken = {key: parameters[key] for key in CHOICES if key in parameters}
    for place in (*Place, *(f"model.{place}" for place in Place)):
        node = OmegaConf.select(cfg, place)
        if node is None:
            continue
        if not isinstance(node, DictConfig):
            raise UserError(
                f"{place}={node}: the keys of {place} are {', '.join(taken)} and the numbers of "
                f"layers, as in {place}.heads=2"
            )
        check_choices(place, node, taken)


def check_choices(
    path: str, node: DictConfig, taken: dict[str, inspect.Parameter], of_layer: bool = False
) -> None:
    """Refuse choices of a place, or of one of its layers, that are not ``taken``."""
    for key, value in node.items():
        if str(key).isdecimal() and not of_layer:
            if not isinstance(key, str) or not isinstance(value, DictConfig):
                raise UserError(
                    f"{path}.{key} is a layer: type {path}.{key}.window=… for a choice; in a "
                    f"yaml, quote its number: '{key}':"
                )
            check_choices(f"{path}.{key}", value, taken, of_layer=True)
        elif key == "positions":
            raise UserError(
                f"{path}.positions: positions= applies to a whole Transformer, not to a place or a "
                f"layer: type positions={value if isinstance(value, str) else '…'}"
            )
        elif key not in taken:
            raise no_such_key(f"{path}.{key}", node, taken)
        elif of_layer and key not in OF_LAYERS:
            raise UserError(
                f"{path}.{key}: all layers of a place have the same {key}: type "
                f"{path.rpartition('.')[0]}.{key}={value}"
            )
        elif isinstance(value, DictConfig):
            if "_target_" not in value:
                raise UserError(f"{path}.{key} has settings, but is not chosen: add {path}.{key}=…")
        elif value is not None and not fits(value, taken[str(key)].annotation):
            asked = in_words(f"{path}.{key}", taken[str(key)].annotation)
            raise UserError(f"{path}.{key}={value}: must be {asked}")


def fits(value: Any, annotation: Any) -> bool:
    """Tell whether a value may stand where a number, a text, a list or a part is asked for."""
    if annotation in (Any, inspect.Parameter.empty) or isinstance(annotation, str):
        return True
    kinds = kinds_of(annotation)
    if type(value) in WORDS:
        return type(value) in kinds or (type(value) is int and float in kinds)
    lists = [kind for kind in kinds if get_origin(kind) in (list, tuple)]
    if isinstance(value, list):
        return any(all(fits(item, get_args(kind)[0]) for item in value) for kind in lists)
    return any(kind not in WORDS and kind not in lists for kind in kinds)


def in_words(key: str, annotation: Any) -> str:
    """Say what is asked for."""
    kinds = kinds_of(annotation)
    simple = [WORDS[kind] for kind in kinds if kind in WORDS]
    if get_origin(kinds[0]) in (list, tuple):
        simple.insert(0, "a list")
    return " or ".join(simple) or f"a part, chosen by {key}=…"


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return int and None of ``int | None``, and int of ``int``."""
    union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if union else (annotation,)


def targets(cfg: DictConfig) -> list[str]:
    """List where the parts stand that are built; what ``${...}`` refers to counts there alone."""
    found: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if "_target_" in value:
                found.append(path)
            for key, child in value.items():
                walk(child, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list):
            for number, child in enumerate(value):
                walk(child, f"{path}.{number}")

    walk(OmegaConf.to_container(cfg), "")
    return found


def unreadable(error: OverrideParseException) -> str:
    """Say why Hydra cannot read a word, and how to type it."""
    if "EQUAL" in error.message:
        return "settings are written KEY=VALUE"
    typed = with_quotes(error.override)
    return f"type it with quotes: {typed}" if typed else error.message.partition("\n")[0]


def explain(error: Exception) -> str:
    """Say what Hydra or OmegaConf found wrong: the key, the value and what there is instead."""
    inner = error.__cause__ or error.__context__
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return not_yaml(error.problem_mark, str(error.problem))
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        known = [*error.options, *offered_for(group)]
        meant = did_you_mean(similar(choice, known))
        if group in CHOICES and re.search(r"[.:/-]", choice):
            meant = f" A class of yours is MODULE:CLASS, such as {group}=my_module:MyClass."
        return f"{group}={choice}: no such choice.{meant} Choose one of {', '.join(known)}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: {unreadable(error)}"
    if isinstance(error, ConfigCompositionException) and isinstance(inner, OmegaConfBaseException):
        file = re.match(r"In '(.+?)':", str(error))  # a yaml, else the command line
        if file and inner.full_key == file[1].partition("/")[0]:
            return f"{file[1]}.yaml: its first line must be: # @package _global_"
        return f"{file[1]}.yaml: {explain(inner)}" if file else explain(inner)
    twice = re.match(r"Multiple values for (\w+@([\w.]+))\.", str(error))
    if isinstance(error, ConfigCompositionException) and twice:
        return (
            f"{twice[2]} is chosen twice. Remove one of them; to override the choice of a yaml, "
            f"type {twice[1]}=…"
        )
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)) and error.full_key:
        node = error.parent_node
        if not node:  # where null stood
            part = error.full_key.rpartition(".")[0]
            return f"{error.full_key}: choose {part}=… first, which has this key"
        known = (str(key) for key in node if key not in ("_target_", "_partial_", "hydra"))
        return str(no_such_key(error.full_key, node, known))
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is missing: add {error.full_key}=…"
    if isinstance(error, ValidationError) and "is not a ListConfig" in str(error):
        word = f"{error.full_key}={error.value}"
        return f"{word}: must be a list, in brackets: '{error.full_key}=[{error.value}]'"
    if isinstance(error, OmegaConfBaseException):
        reason = str(error).partition("\n")[0]
        return f"{error.full_key}: {reason}" if error.full_key else reason
    return str(error).partition("\nConfig search path")[0].replace("\\'", "'").strip()


def not_yaml(mark: Mark, problem: str) -> str:
    """Say where a file is not YAML, and how to mend it."""
    where = f"{mark.name}, line {mark.line + 1}"
    twice = problem.removeprefix("found duplicate key ")
    if twice != problem:
        return f"{where}: {twice} is there twice: rename one of the two, or remove it"
    return (
        f"{where} is not YAML: {problem}. Look for wrong indentation, a tab, or an open bracket or "
        "quote, there or in the line above"
    )
