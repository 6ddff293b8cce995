"""What is changed in Hydra."""

import argparse
from io import StringIO
from typing import Any

import pytest
import yaml
from choices import CONFIGS
from command import nmt
from hydra import compose, initialize_config_dir
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, base
from yaml import YAMLError

from nmt.commands.hydra_changes import accept_lazy_help, compose_fast

Arguments = argparse._ActionsContainer


def checked_at_once(add: Any, check: str) -> Any:
    """What 3.14 does with a new argument."""

    def add_argument(self: Any, *names: str, **options: Any) -> argparse.Action:
        action = add(self, *names, **options)
        getattr(self, check)(action)
        return action

    return add_argument


def test_hydra_parses_where_argparse_checks_help_texts(monkeypatch):
    def _check_help(_: Arguments, action: argparse.Action) -> None:
        if action.help and "%" in action.help:
            raise ValueError("badly formed help string")

    monkeypatch.setattr(Arguments, "_check_help", _check_help, raising=False)
    monkeypatch.setattr(
        Arguments, "add_argument", checked_at_once(Arguments.add_argument, "_check_help")
    )
    with pytest.raises(TypeError, match="LazyCompletionHelp"):
        get_args_parser()

    accept_lazy_help()
    accept_lazy_help()

    assert get_args_parser().parse_args(["-c", "job", "seed=2"]).overrides == ["seed=2"]
    with pytest.raises(ValueError, match="badly formed"):
        argparse.ArgumentParser().add_argument("--share", help="100%")


def test_a_configuration_is_composed_once(monkeypatch, tmp_path):
    assert not any("hydra.mode" in path.read_text() for path in CONFIGS.rglob("*.yaml"))
    composed = []
    real = ConfigLoaderImpl.load_configuration

    def load(self, *args, **kwargs):
        composed.append(args)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", load)
    cases = (
        ((), 1),
        (("hydra.mode=RUN",), 2),
        (("hydra={mode:RUN}",), 2),
        ((f"hydra.searchpath=[{tmp_path}]",), 2),
        (("--config-d", tmp_path), 2),  # as argparse has it, cut short
    )
    for words, times in cases:
        composed.clear()
        assert "run=<folder>" in nmt("translate", *words).err
        assert len(composed) == times


def test_what_is_composed_fast_is_what_hydra_composes(monkeypatch, tmp_path):
    """Also where a defaults list has a choice that follows another, and one of them is typed."""
    for name in ("plain", "one", "other"):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / f"{name}.yaml").write_text(f"name: {name}\nsame: ${{part.name}}")
    (tmp_path / "like").mkdir()
    (tmp_path / "like" / "one.yaml").write_text("a: 1")
    (tmp_path / "like" / "other.yaml").write_text("a: 2")
    defaults = ["_self_", {"part": "one"}, {"like": "${part}"}]
    (tmp_path / "top.yaml").write_text(yaml.safe_dump({"defaults": defaults, "b": "${like.a}"}))
    words = ([], ["part=other"], ["part=other", "like=one"], ["+c=${b}"])

    def found() -> list[Any]:
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return [OmegaConf.to_container(compose("top", some), resolve=True) for some in words]

    compose_fast()
    fast = found()
    for place, name in (
        *((defaults_list, "_create_interpolation_map"), (base, "parse"), (OmegaConf, "load")),
        (OverridesParser, "parse_rule"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name).__wrapped__)

    assert fast == found()
    assert [one["b"] for one in fast] == [1, 2, 1, 1]


def test_what_was_read_before_is_not_what_was_changed_since():
    """A yaml and a word that come again are as they were, and a broken one is told each time."""
    for _ in range(2):
        found = OmegaConf.load(StringIO("a: {b: [1, 2]}"))
        assert found == {"a": {"b": [1, 2]}}
        found.a.b.append(3)
        (word,) = OverridesParser.create().parse_overrides(["a=[1,2]"])
        assert word.value() == [1, 2]
        word.value().append(3)
        with pytest.raises(YAMLError, match="line 1"):
            OmegaConf.load(StringIO("a: {"))
