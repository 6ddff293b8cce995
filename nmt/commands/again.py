"""nmt train from=RUN: a new run with the configuration of another."""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from nmt.commands.changes import is_choice, with_values
from nmt.commands.folders import claimed
from nmt.config.grammar import parsed
from nmt.config.languages import without_first_pair
from nmt.errors import UserError
from nmt.evaluation.evaluate import describe
from nmt.hardware.runtime import pick_device, pick_precision, threads
from nmt.runs.folder import RESULT, as_config, read_config
from nmt.runs.foreign import read_json, without_format
from nmt.runs.versions import version_of
from nmt.terminal.console import tell

FOLDER = "hydra.run.dir="


class Origin(NamedTuple):
    """What is run again."""

    name: str
    config: DictConfig
    result: dict[str, Any]  # what came out of it; empty: nothing yet


def read_origin(place: Path) -> Origin:
    """Read a run folder, or a result.json. UserError where it does not say what to run."""
    if not place.is_file():
        config = read_config(place)
        result = read_json(place / RESULT) if (place / RESULT).is_file() else {}
        return Origin(place.resolve().name, config, result)
    result = read_json(place)
    if not isinstance(result.get("config"), dict):
        raise UserError(
            f"{place} has no config, so it is not the result of a training: type from=<run folder>"
        )
    config = as_config(without_format(result["config"], place), place)
    return Origin(place.resolve().parent.name, config, result)


def repeated(place: Path, words: list[str]) -> tuple[DictConfig, Path]:
    """Return the configuration of a new run that is as another was, and its folder.

    ``words`` change single values. UserError for those that would choose another part.
    """
    origin = read_origin(place)
    folders = [parsed(word)[1] for word in words if word.startswith(FOLDER)]
    changes = [word for word in words if not word.startswith(FOLDER)]
    for word in changes:
        key, equals, _ = word.partition("=")
        if not equals:
            raise UserError(f"{word}: from= can only be combined with settings, KEY=VALUE")
        if is_choice(origin.config, key):
            raise UserError(
                f"{word} chooses a part, but with from= only single values can change, such as "
                "model.dropout=0.2. For other parts type the whole command, without from="
            )
    cfg = with_values(without_first_pair(origin.config), changes)
    warn(cfg, origin.result)
    if folders:
        return cfg, Path(folders[-1])
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    return cfg, claimed(Path("runs", f"{origin.name}-again", now))


def warn(cfg: DictConfig, result: dict[str, Any]) -> None:
    """Say in a line what is not as it was, so that rounding makes the weights others."""
    device = pick_device(cfg.device)
    precision = str(pick_precision(cfg.precision, device)).removeprefix("torch.")
    versions = result.get("versions", {})
    with threads(cfg.threads):
        now = {"device": describe(device), "precision": precision}
    pairs = {key: (result.get(key), value) for key, value in now.items()}
    for package in ("nmt", "torch"):
        before = versions.get(package) if isinstance(versions, dict) else None
        pairs[package] = before, version_of(package)
    changed = [
        f"{key} {old}, now {new}" for key, (old, new) in pairs.items() if old not in (None, new)
    ]
    if changed:
        told = "; ".join(changed)
        tell(f"first run: {told}; the weights will agree only within rounding")
