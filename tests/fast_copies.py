"""Configurations that are copied fast: hundreds of commands are composed in the tests."""

import copy
from collections import defaultdict
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, nodes
from omegaconf.base import Metadata, Node

from nmt.commands.hydra_changes import brings_yamls

KEPT = 32  # configurations


def copy_fast() -> None:
    """Have configurations copied in a third of the time: a third of what composing one takes.

    `copy.deepcopy` takes the metadata of each value apart, and OmegaConf makes each value anew,
    with all its checks. And Hydra copies all schemas with each list of the places of yamls, where
    nobody changes them.
    """
    for kind in (nodes.AnyNode, nodes.StringNode, nodes.PathNode, nodes.IntegerNode):
        kind.__deepcopy__ = node_copied
    for kind in (nodes.BytesNode, nodes.FloatNode, nodes.BooleanNode, nodes.EnumNode):
        kind.__deepcopy__ = node_copied
    Metadata.__deepcopy__ = metadata_copied  # type: ignore[attr-defined]
    DictConfig.__deepcopy__ = ListConfig.__deepcopy__ = container_copied  # type: ignore
    ConfigStore.__deepcopy__ = lambda self, _: self  # type: ignore[attr-defined]
    merge_once()


def merge_once() -> None:
    """Have the same yamls merged once, and copied: typed values are put in later.

    Those that a test brings may change, and so may its own classes, which have a colon.
    """
    merge = ConfigLoaderImpl._compose_config_from_defaults_list
    kept: dict[str, DictConfig] = {}

    def merged(self: ConfigLoaderImpl, defaults: list[Any], repo: Any) -> DictConfig:
        if brings_yamls() or any(":" in str(one.config_path) for one in defaults):
            return merge(self, defaults, repo)
        sources = [(one.provider, one.path) for one in repo.get_sources()]
        key = repr(([vars(one) for one in defaults], sources))
        if key not in kept:
            if len(kept) == KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = merge(self, defaults, repo)
        return copy.deepcopy(kept[key])

    ConfigLoaderImpl._compose_config_from_defaults_list = merged  # type: ignore[method-assign]


def metadata_copied(self: Metadata, memo: dict[int, Any]) -> Metadata:
    """Return a copy with flags and cached answers of its own; the rest is types and names."""
    new = blank(self)
    new.flags = None if self.flags is None else dict(self.flags)
    cached = self.resolver_cache
    new.resolver_cache = copy.deepcopy(cached, memo) if cached else defaultdict(dict)
    return new


def node_copied(self: Node, memo: dict[int, Any]) -> Node:
    """Return a copy of a value below the same parent."""
    new = blank(self)
    new.__dict__.update(_metadata=copy.deepcopy(self._metadata, memo), _flags_cache=None)
    return new


def container_copied(self: DictConfig | ListConfig, memo: dict[int, Any]) -> Any:
    """Return a copy of a mapping or a list below the same parent, with copies of its values."""
    new, content = blank(self), self.__dict__["_content"]
    new.__dict__.update(_metadata=copy.deepcopy(self._metadata, memo), _flags_cache=None)
    if isinstance(content, dict):
        new.__dict__["_content"] = {k: below(new, v, memo) for k, v in content.items()}
    elif isinstance(content, list):
        new.__dict__["_content"] = [below(new, value, memo) for value in content]
    return new


def below(parent: Node, value: Node, memo: dict[int, Any]) -> Node:
    """Return the copy of a value, below the copy of its parent."""
    new = copy.deepcopy(value, memo)
    new.__dict__["_parent"] = parent
    return new


def blank(one: Any) -> Any:
    """Return another object of the same type with the same attributes."""
    new = object.__new__(type(one))
    new.__dict__.update(one.__dict__)
    return new
