"""Folders that are named by the time, each of one training or sweep alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from nmt.config.grammar import quoted


def claimed(folder: Path) -> Path:
    """Make a folder that was not there: of this name, or with -2, -3 … behind it.

    Where none can be made the name is returned as it is, for its user to say why.
    """
    for number in count(1):
        place = folder.with_name(f"{folder.name}-{number}") if number > 1 else folder
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:
            return folder
        return place
    raise AssertionError


class ClaimsFolder(Callback):
    """Gives a training or a sweep whose folder is named by the time one that nobody else has."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the folder of one training."""
        if is_by_time(config.hydra.run):
            with known_to_hydra(config), read_write(config.hydra):
                config.hydra.run.dir = str(claimed(Path(config.hydra.run.dir)))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the folder of a sweep; each of its trainings hears of it as if it were typed."""
        if is_by_time(config.hydra.sweep):
            with known_to_hydra(config), read_write(config.hydra):
                folder = str(claimed(Path(config.hydra.sweep.dir)))
                config.hydra.sweep.dir = folder
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(folder)}")


@contextmanager
def known_to_hydra(config: DictConfig) -> Iterator[None]:
    """Have ``${hydra:…}`` resolved inside the block, before Hydra itself allows it."""
    instance = HydraConfig.instance()
    before = instance.cfg
    instance.set_config(config)
    try:
        yield
    finally:
        instance.cfg = before


def is_by_time(node: DictConfig) -> bool:
    """Tell whether the folder of a node of Hydra's configuration is named by the time."""
    content: Any = OmegaConf.to_container(node, resolve=False)
    return "${now:" in str(content["dir"])
