"""How every command ends when the user, or the user's Ctrl-C, ends it."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from nmt.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")


def reporting_mistakes(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a UserError into one message and exit code 1, an interrupt into exit code 130."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"nmt: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("nmt: interrupted", file=sys.stderr)
            sys.exit(130)

    return run
