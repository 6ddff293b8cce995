"""Hydra's parser where argparse checks help texts at once, as Python 3.14 does."""

import argparse
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser

from nmt.commands.hydra_parser import accept_lazy_help

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
