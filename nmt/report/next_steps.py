"""The commands to type next, as they can be pasted in the current folder."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from rich.console import Console

from nmt.config.own import words_again
from nmt.config.settings import settings
from nmt.runs.files import as_typed
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json

# TensorBoard keeps pictures and texts of this many evaluations; its default is ten at random.
KEPT = "--samples_per_plugin images=1000,text=1000,nmt_attention=1000"
MODULES = {"nmt": "nmt", "tensorboard": "tensorboard.main"}


def show_next(console: Console, commands: Iterable[str]) -> None:
    """Print commands, one per line, if there are any."""
    lines = list(commands)
    if lines:
        console.print("\n".join(["\nnext:", *(f"  {line}" for line in lines)]), markup=False)


def show_after_training(console: Console, run: Path, config: dict[str, Any]) -> None:
    """Print the next commands for a run that has ended, by its resolved configuration.

    Nothing in a sweep, whose end says it, and only in the first of several processes.
    """
    sweeps = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if not (sweeps or console.quiet):
        show_next(console, after_training(run, config))


def after_training(run: Path, config: dict[str, Any]) -> list[str]:
    """Return commands that translate, show what was logged, and read the attention.

    Without attention, one that evaluates dev comes instead.
    """
    split = str(read_json(run / RESULT).get("split", "test"))
    text = [] if split == "test" else [f"split={split}"]
    which = f"run={as_typed(run)}"
    last = (
        nmt_command("align", which, *text)
        if attends(config)
        else nmt_command("evaluate", which, "split=dev")
    )
    return [nmt_command("translate", which), tensorboard(run), last]


def attends(config: dict[str, Any]) -> bool:
    """Tell whether a run of a configuration has source-target attention."""
    found = settings(config)
    return found.get("cross.attention", found.get("attention")) != "none"


def tensorboard(folder: Path) -> str:
    """Return the command that shows what was logged in and below a folder."""
    return f"{program('tensorboard')} --logdir {as_typed(folder)} {KEPT}"


def nmt_command(command: str, *words: str) -> str:
    """Return a command of this program; its words are quoted for the shell where they need it.

    It names the modules of the user's own that this command named.
    """
    return " ".join([program("nmt"), command, *words, *words_again()])


def program(name: str) -> str:
    """Return how the shell calls a program of this environment: by name, else by its place."""
    own, found = Path(sys.executable).with_name(name), shutil.which(name)
    if own.is_file():
        return name if found and own.samefile(found) else as_typed(own)
    return name if found else f"{as_typed(Path(sys.executable))} -m {MODULES[name]}"
