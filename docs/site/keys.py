"""The keys of the configuration: type, default and meaning of each, from schema and yamls."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from io import StringIO
from textwrap import dedent
from tokenize import COMMENT, generate_tokens
from typing import Any, NamedTuple, get_args, get_origin

import yaml
from omegaconf import OmegaConf

from nmt.catalog.choices import Choice, Setting, path_of
from nmt.config.check import WORDS, kinds_of
from nmt.errors import UserError

ARGUMENT = re.compile(r"(\w+(?:, \w+)*): +(.*)")  # of a docstring
REQUIRED = "required"


class Key(NamedTuple):
    """A key that can be typed: ``train.max_steps``."""

    name: str
    kind: str  # "a whole number or null"
    default: str  # as it is typed
    meaning: str


def keys_of(kind: type, prefix: str = "", defaults: Any = None) -> list[Key]:
    """Return the keys of a dataclass of the schema, those of dataclasses inside it too.

    Args:
        prefix: what is typed before each name, ``train.``.
        defaults: values in the place of the schema's, where a yaml has others.
    """
    found: list[Key] = []
    for field in fields(kind):
        name = f"{prefix}{field.name}"
        value = (defaults or {}).get(field.name, default_of(field))
        inner: Any = next((one for one in kinds_of(field.type) if is_dataclass(one)), None)
        if inner:
            found += keys_of(inner, f"{name}.", value if isinstance(value, dict) else None)
        else:
            found.append(Key(name, type_of(field.type), typed(value), meaning(kind, field.name)))
    return found


def default_of(field: Field[Any]) -> Any:
    """Return the default of a field; "???" where there is none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return "???" if field.default is MISSING else field.default


def meaning(kind: type, name: str) -> str:
    """Return the comment of a field: behind it, or in the lines above. UserError: it has none."""
    for owner in kind.__mro__:
        if name in inspect.get_annotations(owner):
            found = comments(owner).get(name)
            if found:
                return found
    raise UserError(f"{kind.__qualname__}.{name} has no comment that says what it means")


@cache  # every key asks, and to find the source of a class is to parse its file
def comments(kind: type) -> dict[str, str]:
    """Return the comments of a dataclass's fields, those above and behind, as one text each."""
    try:
        source = dedent(inspect.getsource(kind))
    except OSError:  # made by make_dataclass
        return {}
    said = {
        token.start[0]: (token.string.lstrip("# "), token.line.lstrip().startswith("#"))
        for token in generate_tokens(StringIO(source).readline)
        if token.type == COMMENT
    }
    found: dict[str, str] = {}
    for field in ast.walk(ast.parse(source)):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            first = field.lineno
            while said.get(first - 1, ("", False))[1]:
                first -= 1
            lines = [*range(first, field.lineno), field.end_lineno]
            found[field.target.id] = " ".join(said[line][0] for line in lines if line in said)
    return found


def type_of(annotation: Any) -> str:
    """Say what may be typed for a key."""
    if annotation in (Any, inspect.Parameter.empty):
        return "any"
    kinds = kinds_of(annotation)
    if kinds[0] in WORDS:
        return " or ".join(WORDS[one] for one in kinds if one in WORDS)
    if get_origin(kinds[0]) is dict:
        return "names, each with a value"
    if get_origin(kinds[0]) in (list, tuple):
        item = get_args(kinds[0])[0]
        items = {str: "texts", int: "whole numbers", float: "numbers"}.get(item, "values")
        return f"a list of {items}" + (" or null" if type(None) in kinds else "")
    return "a choice"


def typed(value: Any) -> str:
    """Write a value as it is typed on the command line."""
    if value == "???":
        return REQUIRED
    if value is None or value == {}:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(typed(one) for one in value)}]"
    return str(value) if value != "" else "''"


def settings_of(choice: Choice) -> list[Key]:
    """Return the keys of a choice: those of its yaml, and those that its class takes besides."""
    return [setting_key(choice, one) for one in choice.settings]


def setting_key(choice: Choice, setting: Setting) -> Key:
    """Return a key of a yaml. UserError where neither yaml nor class says what it means."""
    prefix = "" if choice.group == "experiment" else f"{choice.group}."
    value = yaml_value(choice, setting.key)
    annotation = annotation_of(choice, setting.key)
    kind = type_of(annotation) if annotation else type_of(type_of_value(value))
    told = setting.comment or arguments(choice.kind).get(setting.key, "")
    if not told:
        file = f"configs/{choice.group}/{choice.name}.yaml"
        raise UserError(f"{file}: {setting.key} has no comment that says what it means")
    return Key(f"{prefix}{setting.key}", kind, typed(value), told)


def yaml_value(choice: Choice, key: str) -> Any:
    """Return what a yaml has for a key; ``${from_schedule:lr,2e-3}`` as 2e-3."""
    content = OmegaConf.load(path_of(choice.group, choice.name))
    value: Any = OmegaConf.to_container(content).get(key)  # pyright: ignore
    usual = re.fullmatch(r"\$\{from_schedule:\w+,(.*)\}", str(value))
    return yaml.safe_load(usual[1]) if usual else value


def type_of_value(value: Any) -> Any:
    """Return the annotation that a value would have."""
    return list[float] if isinstance(value, list) else type(value)


def annotation_of(choice: Choice, key: str) -> Any:
    """Return what the constructor of a choice's class says of a parameter; None: nothing of use."""
    if choice.kind is None or not choice.kind.__module__.startswith("nmt."):
        return None
    parameter = inspect.signature(choice.kind).parameters.get(key)
    return parameter and parameter.annotation


def arguments(kind: type | None) -> dict[str, str]:
    """Return what a class's docstring says of each argument."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").splitlines() if kind else ():
        text = line.strip()
        if argument := ARGUMENT.match(text):
            names = argument[1].split(", ")
            found |= dict.fromkeys(names, argument[2])
        elif text and names:
            found |= {name: f"{found[name]} {text}" for name in names}
        else:
            names = []
    return found
