"""The command `nmt`: one word chooses what to do, the rest is for that command."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from io import TextIOWrapper

from hydra._internal.utils import get_args_parser

from nmt.commands.errors import reporting_mistakes
from nmt.commands.help import COMMANDS, OVERVIEW, command_help
from nmt.commands.hydra_changes import accept_lazy_help, compose_fast, compose_once
from nmt.commands.paths import for_hydra, with_run
from nmt.config.own import name_modules
from nmt.config.suggestion import did_you_mean, similar
from nmt.hardware.process import prepare_process
from nmt.runs.versions import version_of
from nmt.terminal.console import clean_warnings, tell
from nmt.terminal.progress import Late


@reporting_mistakes
def chosen() -> Callable[[], object]:
    """Return what runs `nmt COMMAND ...`; exit code 2 for what is no command and no option."""
    open_closed_streams()
    prepare_process()
    accept_lazy_help()
    compose_once()
    compose_fast()
    write_what_can_be_encoded()
    clean_warnings()
    command, *words = sys.argv[1:] or [""]
    if command in ("-h", "--help", "help"):
        return reporting_mistakes(partial(print, OVERVIEW))
    if command == "--version":
        return reporting_mistakes(partial(print, f"nmt {version_of('nmt')}"))
    if not command:
        print(OVERVIEW, file=sys.stderr)
        sys.exit(2)
    if command not in COMMANDS:
        meant, known = did_you_mean(similar(command, COMMANDS)), ", ".join(COMMANDS)
        tell(f"no command {command}.{meant} Choose one of {known}. See nmt --help")
        sys.exit(2)
    if "-h" in words or "--help" in words:
        return reporting_mistakes(partial(print, command_help(command)))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors, for us to say in words
    words = name_modules(options_first(command, words))
    with loading(late=command != "train"):
        sys.argv = [f"nmt {command}", *for_hydra(words)]
        module = import_module(f"nmt.commands.{command.replace('-', '_')}")
    return reporting_mistakes(module.main)


@contextmanager
def loading(late: bool) -> Iterator[None]:
    """Say that torch is loaded in the block, at once or if it takes long; one process does."""
    if "torch" in sys.modules or os.environ.get("RANK", "0") != "0":
        yield
        return
    say = Late(tell)
    (say if late else tell)("loading torch, which takes some seconds")
    try:
        yield
    finally:
        say.take_back()


def options_first(command: str, words: list[str]) -> list[str]:
    """Put settings behind options, which Hydra wants; exit code 2 for what is neither."""
    parser = get_args_parser()
    parser.prog = f"nmt {command}"
    parser.usage = f"nmt {command} [NAME=CHOICE ...] [KEY=VALUE ...]  (see nmt {command} --help)"
    args, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        parser.error(
            f"there is no option {unknown[0]}; settings are written KEY=VALUE, without dashes"
        )
    options = [word for word in words if word not in args.overrides]
    return options + with_run(command, args.overrides)


def open_closed_streams() -> None:
    """Let what the caller closed (``<&-``, some schedulers of jobs) be empty or lost."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def write_what_can_be_encoded() -> None:
    """Have ? written for a character, such as Δ, that the encoding of a terminal does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(OSError):  # a terminal that is gone
                stream.reconfigure(errors="replace")
