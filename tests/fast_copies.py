"""Configurations that are copied fast: hundreds of commands are composed in the tests."""

import copy
from collections import defaultdict
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, ListConfig, nodes
from omegaconf.base import Metadata, Node


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
