"""Other values in the configuration of a run, which is resolved: its parts are chosen already."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmt.config.check import explain, targets
from nmt.config.grammar import parsed
from nmt.config.places import is_placed
from nmt.config.settings import part_at
from nmt.config.yamls import config_folder
from nmt.errors import UserError


def is_choice(cfg: DictConfig, key: str) -> bool:
    """Tell whether a key is that of a part, or of several settings, and not of one value."""
    group = part_at(key) if is_placed(key) else key
    return (config_folder() / group).is_dir() or isinstance(OmegaConf.select(cfg, key), DictConfig)


def with_values(cfg: DictConfig, words: list[str]) -> DictConfig:
    """Return a run's configuration with the values of KEY=VALUE arguments.

    UserError for a key that is not there, and for a value of another type.
    """
    changes = OmegaConf.create()
    try:
        for key, value in map(parsed, words):
            for place in everywhere(cfg, key):
                OmegaConf.update(changes, place, value)
        merged = OmegaConf.merge(cfg, changes)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    assert isinstance(merged, DictConfig)
    return merged


def everywhere(cfg: DictConfig, key: str) -> Iterator[str]:
    """Yield every place that has what a key changes: model.attention is the attention."""
    yield key
    if is_placed(key):
        yield f"model.{key}"
    part, _, rest = key.partition(".")
    for path in targets(cfg):
        if path == f"model.{part}" and OmegaConf.select(cfg, path) == cfg[part]:
            yield f"{path}.{rest}"
