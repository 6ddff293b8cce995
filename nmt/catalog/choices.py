"""What a choice of the configuration is, as its yaml and its class say it."""

import inspect
import pydoc
import re
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nmt.attention.mix import Mix
from nmt.attention.normalize import Normalizer
from nmt.attention.score import InnerProduct, Score
from nmt.config.suggestion import did_you_mean, similar
from nmt.config.yamls import config_folder
from nmt.data.text import one_line
from nmt.errors import UserError


class Setting(NamedTuple):
    """A key of a choice, as its yaml has it."""

    key: str
    value: str
    comment: str


class Choice(NamedTuple):
    """A yaml of configs/, and the class that it names."""

    group: str
    name: str
    settings: list[Setting]
    kind: type | None  # None: a yaml of settings alone

    @property
    def word(self) -> str:
        """What is typed for it."""
        return f"{self.group}={self.name}"

    def text(self) -> str:
        """Return what the class says of itself: formula, paper, shapes; else the yaml's comment."""
        if self.kind is None:
            return comment_of(path_of(self.group, self.name))
        return plain(inspect.getdoc(self.kind))

    def purpose(self) -> str:
        """Return what it is for, in a sentence: the comment at the head of its yaml; else empty."""
        return "" if self.kind is None else one_line(comment_of(path_of(self.group, self.name)))

    def first_line(self) -> str:
        """Return the first sentence of that text."""
        return self.text().partition("\n")[0]

    def shapes(self) -> str:
        """Return what goes into it and what comes out, where it says so; else nothing."""
        method = getattr(self.kind, "after" if self.group == "mix" else "forward", None)
        return plain(inspect.getdoc(method)) if method and self.group in OF_ATTENTION else ""

    def facts(self) -> list[str]:
        """Return what is true of its numbers, in sentences."""
        if self.kind and issubclass(self.kind, Normalizer):
            return facts_of_weights(self.kind)
        if self.kind and issubclass(self.kind, Mix):
            return facts_of_mixed(self.kind)
        return facts_of_scores(self.kind) if self.kind and issubclass(self.kind, Score) else []


OF_ATTENTION = ("attention", "normalize", "window", "sink", "gate", "mix")


def plain(docstring: str | None) -> str:
    """Return a docstring without the marks of reStructuredText."""
    return re.sub(r":\w+:`", "`", (docstring or "").replace("``", "`"))


def groups() -> dict[str, list[str]]:
    """Return the groups of choices of a training, with their choices."""
    return {
        key: sorted(path.stem for path in (config_folder() / key).glob("*.yaml"))
        for key in keys_of_defaults(config_folder() / "train.yaml")
        if (config_folder() / key).is_dir()
    }


@cache  # of each choice its group is asked for
def keys_of_defaults(path: Path) -> list[str]:
    """Return what a yaml's defaults list chooses."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [key for entry in content["defaults"] if isinstance(entry, dict) for key in entry]


def find(group: str, name: str) -> Choice:
    """Return a choice. UserError for one that does not exist, with those that do."""
    known = groups()
    if group not in known:
        meant = did_you_mean(similar(group, known))
        raise UserError(
            f"{group}: no such group of choices.{meant} Choose one of {', '.join(known)}"
        )
    if name not in known[group]:
        meant = did_you_mean(f"{group}={one}" for one in similar(name, known[group]))
        there = ", ".join(known[group])
        raise UserError(f"{group}={name}: no such choice.{meant} Choose one of {there}")
    path = path_of(group, name)
    target = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("_target_")
    kind: Any = pydoc.locate(target) if target else None
    return Choice(group, name, settings_of(path), kind if isinstance(kind, type) else None)


def path_of(group: str, name: str) -> Path:
    """Return the yaml of a choice."""
    return config_folder() / group / f"{name}.yaml"


def settings_of(path: Path) -> list[Setting]:
    """Return the keys of a yaml's first level that hold one value, with their comments."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        setting, _, comment = line.partition("  # ")
        key, _, value = setting.partition(": ")
        if key.isidentifier() and not key.startswith("_") and value and "${" not in value:
            found.append(Setting(key, value.strip(), comment.strip()))
    return found


def comment_of(path: Path) -> str:
    """Return the comment at the head of a yaml."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = takewhile(lambda line: line.startswith("#"), lines)
    return "\n".join(line[2:] for line in head if "@package" not in line)


def facts_of_weights(kind: type[Normalizer]) -> list[str]:
    """Say what the weights of a normalizer are."""
    found = [
        "The weights of a query sum to 1."
        if kind.sums_to_one
        else "The weights of a query need not sum to 1.",
        "A visible key may have a weight of exactly 0."
        if kind.exact_zeros
        else "Every visible key has some weight.",
    ]
    if kind.negative:
        found.append("A weight may be negative.")
    if not kind.bounded:
        found.append("A weight may be above 1.")
    if kind.ordered:
        found.append("The order of the keys matters.")
    return found


def facts_of_mixed(kind: type[Mix]) -> list[str]:
    """Say what the weights of a mix are."""
    found = []
    if not kind.sums_to_one:
        found.append("The weights of a query need not sum to 1.")
    if kind.negative:
        found.append("A weight may be negative.")
    if not kind.bounded:
        found.append("A weight may be above 1. Pictures and measures show w / Σ|w|.")
    return found


def facts_of_scores(kind: type[Score]) -> list[str]:
    """Say what a score reads and what it can be used for."""
    found = []
    if issubclass(kind, InnerProduct):
        found.append("It is an inner product: with the softmax, torch can use its fused kernel.")
    if not kind.reads_keys:
        found.append(
            "It reads the positions of the keys, not the keys: permuting the keys does not change "
            "its scores."
        )
    if not kind.reads_query:
        found.append("It does not read the query.")
    if kind.keeps_angle and kind.reads_query:
        found.append("It works with positions=rope, which rotates queries and keys.")
    return found
