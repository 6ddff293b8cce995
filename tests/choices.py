"""The choices that configs/ offers: a new yaml there is a new case of every test that asks here."""

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

CONFIGS = Path(__file__).parent.parent / "configs"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def choose(group: str, name: str, **values: Any) -> Any:
    """What the yaml builds, with other values for those of its keys that are named here."""
    config = OmegaConf.load(CONFIGS / group / f"{name}.yaml")
    for key in values.keys() & config.keys():
        config[key] = values[key]
    return instantiate(config)
