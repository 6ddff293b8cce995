"""What is changed in Hydra."""

import argparse
from typing import Any

import pytest
from choices import CONFIGS
from command import nmt
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import get_args_parser

from nmt.commands.hydra_changes import accept_lazy_help

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
