"""What is changed in Hydra 1.3, in this process alone."""

import argparse
import copy
from collections import defaultdict
from functools import lru_cache, wraps
from io import StringIO
from typing import Any, cast

import omegaconf.base
from hydra._internal import defaults_list
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf, nodes
from omegaconf.base import Metadata, Node
from yaml import YAMLError

CHECK = "_check_help"  # since Python 3.14
# What sets hydra.mode, or brings yamls that may set it; or may do either, a dict.
MODE = ("hydra.mode", "hydra.searchpath", "hydra=")


def accept_lazy_help() -> None:
    """Have argparse check only help texts that are text. Changes nothing before Python 3.14.

    From 3.14 on argparse reads the help text of an argument when the argument is added. Hydra's
    parser has one help text that is an object, turned into text only when it is printed, so on 3.14
    the parser cannot be built: "badly formed help string" (facebookresearch/hydra#3121).
    """
    check = getattr(argparse._ActionsContainer, CHECK, None)

    def check_text(container: Any, action: argparse.Action) -> None:
        if check and isinstance(action.help, str):
            check(container, action)

    if check and check.__name__ == CHECK:
        setattr(argparse._ActionsContainer, CHECK, check_text)


def compose_once() -> None:
    """Have a command compose its configuration once: a fifth of a second less for each command.

    Hydra composes the whole configuration a first time to look up hydra.mode, which our yamls do
    not set. It still does so where somebody sets it, or brings other yamls.
    """
    look_up = Hydra.get_mode

    def get_mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        may_be_set = any(word.lstrip("+").startswith(MODE) for word in overrides)
        if may_be_set or brings_yamls():
            return look_up(self, config_name, overrides)
        return None  # what --multirun says, else RUN

    if look_up.__module__ != __name__:  # once
        Hydra.get_mode = get_mode


def compose_fast() -> None:
    """Have a configuration composed in half of the time.

    Some things are done only as often as needed. Hydra makes a map of all choices for each yaml
    with a defaults list, which only ``${...}`` in such a list reads. OmegaConf parses the text of a
    ``${...}`` again at each look. And Hydra parses each word and reads each yaml again for each run
    of a sweep.
    """
    make, of_omegaconf = defaults_list._create_interpolation_map, cast(Any, omegaconf.base)
    parse, parse_rule = of_omegaconf.parse, OverridesParser.parse_rule
    load = OmegaConf.load

    @wraps(make)
    def make_if_read(overrides: Any, defaults: list[Any], self_added: bool) -> DictConfig:
        if any(one.is_interpolation() for one in defaults if not one.is_self()):
            return make(overrides, defaults, self_added)
        return DictConfig({})

    @lru_cache(maxsize=1024)
    def parsed(text: str, rule: str) -> Any:
        return parse_rule(OverridesParser.create(), text, rule)

    @wraps(parse_rule)
    def copy_of_parsed(_: OverridesParser, s: str, rule_name: str) -> Any:
        return copy.deepcopy(parsed(s, rule_name))

    @lru_cache(maxsize=1024)
    def loaded(text: str) -> Any:
        return load(StringIO(text))

    @wraps(load)
    def copy_of_loaded(file_: Any) -> Any:
        if not hasattr(file_, "read"):
            return load(file_)
        try:
            return copy.deepcopy(loaded(file_.read()))
        except (YAMLError, OSError):
            file_.seek(0)
            return load(file_)  # whose error names the file

    if not hasattr(make, "__wrapped__"):  # once
        OmegaConf.load = staticmethod(copy_of_loaded)
        defaults_list._create_interpolation_map = make_if_read
        of_omegaconf.parse = lru_cache(maxsize=1024)(parse)
        OverridesParser.parse_rule = copy_of_parsed
        copy_fast()


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


def brings_yamls() -> bool:
    """Tell whether an option of the command names other yamls, in full or cut short."""
    args, _ = get_args_parser().parse_known_args()
    return any((args.config_dir, args.config_name, args.config_path))
