"""What is changed in Hydra 1.3, in this process alone."""

import argparse
import copy
from functools import lru_cache, wraps
from io import StringIO
from typing import Any, cast

import omegaconf.base
from hydra._internal import defaults_list
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
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
    """Have a configuration composed in less time.

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
        OverridesParser.parse_rule = copy_of_parsed  # type: ignore[method-assign]


def brings_yamls() -> bool:
    """Tell whether an option of the command names other yamls, in full or cut short."""
    args, _ = get_args_parser().parse_known_args()
    return any((args.config_dir, args.config_name, args.config_path))
