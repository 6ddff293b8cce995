"""How every command ends when the user, or the user's Ctrl-C, ends it."""

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nmt.config.check import explain
from nmt.errors import UserError
from nmt.terminal.console import tell

P = ParamSpec("P")
R = TypeVar("R")


def reporting_mistakes(command: Callable[P, R]) -> Callable[P, R]:
    """End with one message and exit code 1 for the user's mistakes, 130 for an interrupt.

    Our own mistakes keep their traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            hang_up()
        except KeyboardInterrupt:
            tell("interrupted")
            sys.exit(130)
        except Exception as error:
            message = in_words(error)
            if message is None:
                raise
            tell(message, f"nmt{of_process()}")
            sys.exit(1)

    return run


def of_process() -> str:
    """Name this process where it is one of several, but for the first; their mistakes are alike."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f" (process {int(rank) + 1})"


def in_words(error: Exception) -> str | None:
    """Return what to tell the user; None: the error is not the user's."""
    if isinstance(error, InstantiationException):  # around what a part's class raised
        return str(error.__cause__) if isinstance(error.__cause__, UserError) else None
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, (HydraException, OmegaConfBaseException, YAMLError)):
        return explain(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if "MPS" in str(error) and isinstance(error, (NotImplementedError, TypeError, RuntimeError)):
        return (
            f"device=mps: {str(error).splitlines()[0]} Use device=cpu, or set "
            "PYTORCH_ENABLE_MPS_FALLBACK=1, which leaves such operators to the CPU."
        )
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    of_hydra = frame.f_globals["__name__"].startswith("hydra.")  # it has bare ValueErrors
    return str(error) if of_hydra and isinstance(error, ValueError) else None


def hang_up() -> NoReturn:
    """End as other programs do whose reader has had enough (``| head``): without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # Python flushes once more when it exits
    sys.exit(141)
