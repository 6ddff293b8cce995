"""Hydra 1.3 on Python 3.14.

From 3.14 on argparse reads the help text of an argument when the argument is added. Hydra's parser
has one help text that is an object, turned into text only when it is printed, so on 3.14 the parser
cannot be built: "badly formed help string" (facebookresearch/hydra#3121).
"""

import argparse
from typing import Any

CHECK = "_check_help"  # since Python 3.14


def accept_lazy_help() -> None:
    """Have argparse check only help texts that are text. Changes nothing before Python 3.14."""
    check = getattr(argparse._ActionsContainer, CHECK, None)

    def check_text(container: Any, action: argparse.Action) -> None:
        if check and isinstance(action.help, str):
            check(container, action)

    if check and check.__name__ == CHECK:
        setattr(argparse._ActionsContainer, CHECK, check_text)
