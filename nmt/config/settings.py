"""The settings of a run in the words they are typed with: ``attention=bahdanau``, ``seed=2``.

A resolved configuration holds a part wherever it is used, with the path of its class. Here each is
named once, by its yaml in configs/, and its keys stand below that name.
"""

import re
from functools import cache
from typing import Any

import yaml

from nmt.config.places import wider
from nmt.config.yamls import config_folder

Setting = str | int | float | bool
# What is shown during a run, and where; it does not change the result.
HEATMAPS = ("train.heatmaps", "train.heatmap_words", "train.heatmap_scale")
SHOWN = ("cache", "threads", "products", "train.log_every", *HEATMAPS)
HIDDEN = ("_target_", "_partial_")
UNSAID = (*SHOWN, "init", "init_parts")  # where they are null: no parts


def settings(config: dict[str, Any]) -> dict[str, Setting]:
    """Flatten a resolved configuration to {"attention": "bahdanau", "model.dropout": 0.2, …}.

    A part that is used in another one, as the attention in the model, is left out there where it is
    the same. What is null is left out, but for a part, which is then "none".
    """
    found: dict[str, Setting] = {}
    for key, value in config.items():
        if value is None and key not in UNSAID:
            found[str(key)] = "none"
        else:
            found |= below(str(key), value, config)
    return {key: value for key, value in found.items() if key not in SHOWN}


def below(key: str, value: Any, config: dict[str, Any]) -> dict[str, Setting]:
    """Return the settings at a key and below it."""
    if value is None:
        return {}
    if isinstance(value, list):
        return {key: ",".join(map(str, value))}
    if not isinstance(value, dict):
        return {key: value if isinstance(value, bool | int | float) else str(value)}
    found: dict[str, Setting] = {}
    if "_target_" in value:
        found[key] = choice(key, value)
    for name, child in value.items():
        path = f"{key}.{name}"
        shared = isinstance(child, dict) and inherited(path, config) == child
        if name not in HIDDEN and not shared:
            found |= below(path, child, config)
    return found


def inherited(key: str, config: dict[str, Any]) -> Any:
    """Return what a part's key has where nothing is chosen for it: model.window, as window."""
    for one in (*wider(key), part_at(key)):
        value: Any = config
        for name in one.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def part_at(key: str) -> str:
    """Name the part that a key is of: window for model.window and encoder.2.window."""
    return key.rpartition(".")[2]


def choice(key: str, node: dict[str, Any]) -> str:
    """Name a part by the yaml of its group that fits it best, else by its class.

    One of the user's own is module:Class, as it is typed.
    """
    target = str(node["_target_"])
    fitting = [
        (sum(node.get(name) == value for name, value in content.items()), name)
        for name, content in yamls(part_at(key)).items()
        if content.get("_target_") == target
    ]
    if fitting:
        return max(fitting)[1]
    if not target.startswith(("nmt.", "torch.")):
        return ":".join(target.rsplit(".", 1))
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", target.rpartition(".")[2]).lower()


@cache
def yamls(group: str) -> dict[str, dict[str, Any]]:
    """Read the yamls of a folder of configs/ by name; none for a folder that is not there."""
    files = sorted((config_folder() / group).glob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) or {} for file in files}
