"""nmt check-part: try a part of the user's own in every law."""

import importlib
import sys
from typing import Any

import hydra
from omegaconf import OmegaConf

from nmt.commands.errors import reporting_mistakes
from nmt.config.check import check_target
from nmt.config.grammar import parsed
from nmt.config.kinds import MADE_LATER, OURS, part_for
from nmt.config.own import CLASS, Named, load, offered
from nmt.config.words import node_of
from nmt.errors import UserError
from nmt.laws.check import Outcome, check_part
from nmt.laws.small import TRIED


@reporting_mistakes
def main() -> None:
    """Run `nmt check-part`; exit code 1 where a law does not hold."""
    words = sys.argv[1:]
    named = [word for word in words if "=" not in word]
    if len(named) != 1:
        raise UserError("which part? nmt check-part MODULE:CLASS, such as my_attention:MyScore")
    part, make = made(offered().get(named[0], named[0]), [word for word in words if "=" in word])
    found: list[Outcome] = []
    for outcome in check_part(part, make):
        found.append(outcome)
        print(line(outcome), flush=True)
    broken = sum(bool(one.broken) for one in found)
    print(f"\n{len(found) - broken} of {len(found)} laws hold")
    sys.exit(1 if broken else 0)


def made(target: str, settings: list[str]) -> tuple[str, Any]:
    """Return what a class, module:Class, is for, and what makes it with KEY=VALUE settings.

    UserError for what is not a part of an attention and no positions, and for settings that it
    does not have.
    """
    match = CLASS.fullmatch(target)
    if not match:
        raise UserError(f"{target}: type MODULE:CLASS, such as my_attention:MyScore")
    module, name = match.groups()
    if module.startswith(OURS):
        loaded = importlib.import_module(module)
    else:
        Named().modules.append(module)
        loaded = load(module)
    kind = getattr(loaded, name, None)
    part = part_for(kind) if isinstance(kind, type) else None
    if part not in TRIED:
        there = [key for key, one in vars(loaded).items() if is_written(one, module)]
        bases = " or ".join(MADE_LATER[one][0].rpartition(".")[2] for one in TRIED)
        raise UserError(
            f"{target} is not a subclass of nmt's {bases}. {module} has "
            f"{', '.join(there) or 'no such class'}"
        )
    node = node_of(part, f"{module}.{name}")
    cfg = OmegaConf.create({part: {**node, **dict(map(parsed, settings))}})
    check_target(part, cfg[part])
    return part, hydra.utils.instantiate(cfg[part])


def is_written(value: Any, module: str) -> bool:
    """Tell whether a value of a module is a part that was written there."""
    return isinstance(value, type) and value.__module__ == module and part_for(value) in TRIED


def line(outcome: Outcome) -> str:
    """Say in a line what came out of a law."""
    if outcome.broken:
        return f"FAILED  {outcome.law}\n        {outcome.broken}"
    tried = "once" if outcome.tried == 1 else f"{outcome.tried} times"
    largest = outcome.difference
    seen = "" if largest is None else f", differences up to {largest:.0e}"
    return f"passed  {outcome.law}: tried {tried}{seen}"
