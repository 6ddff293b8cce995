"""Modules of the user's own, whose classes may be parts: a file in this folder, or a package.

They are code, so one is loaded only if the user has named it on the command line, by a choice
(attention=my_attention:MyScore) or by parts=my_attention. A run folder cannot name it.
"""

import importlib
import os
import re
import sys
import traceback
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from hydra.core.singleton import Singleton

from nmt.config.yamls import config_folder
from nmt.errors import UserError

GROUP = "nmt.parts"  # of entry points: "attention.l2" = "my_attention:L2"
CLASS = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
PARTS = "parts="


class Named(metaclass=Singleton):
    """The modules that were named. Hydra gives its singletons to processes that it launches."""

    def __init__(self) -> None:
        self.modules: list[str] = []


def name_modules(words: list[str]) -> list[str]:
    """Remember which modules the words of a command name; return the words but for parts=."""
    Named().modules = modules = list[str]()
    for word in words:
        if word.startswith(PARTS):
            modules += re.findall(r"([\w.]+)(?::\w*)?", word.removeprefix(PARTS))
        else:
            modules += [target.partition(":")[0] for target in own_choices(word).values()]
    modules[:] = [one for one in dict.fromkeys(modules) if not one.startswith("nmt.")]
    return [word for word in words if not word.startswith(PARTS)]


def words_again() -> list[str]:
    """Return the words that name the same modules in another command."""
    return [PARTS + ",".join(Named().modules)] if Named().modules else []


def own_choices(word: str) -> dict[str, str]:
    """Return the own classes that a KEY=VALUE word chooses, as module:Class by how it was typed."""
    key, _, value = word.partition("=")
    part = part_of(key)
    if not part or key.startswith("tokenizer.") or not (config_folder() / part).is_dir():
        return {}
    typed = map(str.strip, value.split(","))
    found = {one: offered().get(f"{part}.{one}", one) for one in typed}
    return {one: target for one, target in found.items() if CLASS.fullmatch(target)}


def part_of(key: str) -> str:
    """Name the part that a word's key chooses, +attention@encoder.attention and others."""
    return key.lstrip("+").partition("@")[0].rpartition(".")[2]


@cache
def offered() -> dict[str, str]:
    """Return what installed packages offer: {"attention.l2": "my_attention:L2"}."""
    return {one.name: one.value for one in entry_points(group=GROUP)}


def offered_for(part: str) -> list[str]:
    """Return the choices that installed packages offer for a part."""
    return sorted(key.partition(".")[2] for key in offered() if key.startswith(f"{part}."))


def load(module: str) -> ModuleType:
    """Import a module that was named, or whose package was.

    UserError where neither was, and where it cannot be imported.
    """
    if not any(f"{module}.".startswith(f"{one}.") for one in Named().modules):
        raise UserError(
            f"{module} is code from outside nmt, which this command does not name. If you trust "
            f"it, add {PARTS}{module}"
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file here hides a package
    try:
        return importlib.import_module(module)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise UserError(
                f"there is no module {module}: {module.replace('.', '/')}.py must be in this "
                "folder, or its package must be installed"
            ) from error
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
        raise UserError(f"{module} cannot be imported: {told}") from error
