"""Reads files that may come from anywhere: executes nothing, accepts nothing unexpected.

A run folder holds YAML, JSON, safetensors and SentencePiece models. Tensors are read in
`nmt.runs.tensors`.
"""

import json
import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmt.errors import UserError
from nmt.runs.lifting import FORMAT, lifted

LARGEST = 2**17  # bytes of a configuration; usual are five thousand
DEEPEST = 50  # nesting of a configuration; usual is five
QUICK = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it


def refuse_links(folder: Path) -> None:
    """Raise UserError for a link that leads out of a folder whose files are read and written."""
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in sorted(folders + files)):
            if not (path.is_file() or path.is_dir()):
                raise UserError(f"{path} is neither a file nor a folder: remove it")
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise UserError(
                    f"{path} is a link that leads out of {folder}: replace it by a copy of its "
                    "target, or remove it"
                )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file. UserError where it does not contain an object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a JSON object")
    return content


def is_number(value: Any) -> bool:
    """Tell whether a value is a usable number: not nan, inf or 10**400."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def read_yaml(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """Read a YAML file of plain values. UserError if it is not a mapping, or would take forever.

    ``largest`` is in bytes. A few nested aliases could expand to more values than fit into memory.
    """
    if path.stat().st_size > largest:
        raise UserError(f"{path} is larger than any configuration ({largest:,} bytes)")
    try:
        text = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, QUICK):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise UserError(
                    f"{path}, line {event.start_mark.line + 1}: a value is nested too deeply, "
                    "or repeats another by *alias: write the value itself"
                )
        content = OmegaConf.to_container(OmegaConf.load(StringIO(text)), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} has no settings")
    return {str(key): value for key, value in content.items()}


def without_format(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the configuration that a run was trained with, in the format of this nmt.

    UserError for a format that is newer than this program, and for ``${…}``, which is not resolved:
    nmt stores configurations resolved, so an interpolation, such as of an environment variable,
    does not come from nmt.
    """
    number = config.get("format", 0)
    if type(number) is not int or number < 0:
        raise UserError(f"{path}: format={number} is not a format number")
    if number > FORMAT:
        raise UserError(
            f"{path} was written by a newer nmt (format {number}; this one reads up to "
            f"{FORMAT}): upgrade nmt"
        )
    for key, value in values(config):
        if "${" in value:
            raise UserError(
                f"{path}: {key}={value}: ${{…}} is not followed; write the value itself there"
            )
    return lifted({key: value for key, value in config.items() if key != "format"}, number)


def values(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a configuration, keys included, with its key."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{path}{key}", str(key)
            yield from values(value, f"{path}{key}.")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from values(value, f"{path}{number}.")
    elif isinstance(node, str):
        yield path.removesuffix("."), node
