"""All laws that a part has to keep, tried one after the other."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from nmt.errors import UserError
from nmt.laws import attention, model, normalize, score
from nmt.laws.case import LENGTHS, WITHIN, Case
from nmt.laws.law import Broken
from nmt.laws.small import Make, around, models
from nmt.laws.small import attention as attention_with

Subject = Callable[[], Any]  # makes what a law is tried on


@dataclass
class Outcome:
    """What came out of a law."""

    law: str
    tried: int = 0  # attentions or models that keep it
    difference: float | None = None  # the largest that was seen; None: nothing was compared
    broken: str = ""  # where it does not hold, and why; empty: it holds


def check_part(part: str, make: Make) -> Iterator[Outcome]:
    """Try every law on attentions and models with a part, which ``make`` makes.

    Combinations that are refused are left out. UserError where the part cannot be made.
    """
    lengths = WITHIN if part == "positions" else LENGTHS
    cases = {
        name: partial(Case, attention_with(part, make, choices), lengths=lengths)
        for name, choices in around(part).items()
    }
    first = refuse_what_cannot_be_made(cases)
    of_its_kind = {"attention": (score.LAWS, "score"), "normalize": (normalize.LAWS, "normalize")}
    laws, name = of_its_kind.get(part, ((), part))
    built = {name: partial(model_case, one) for name, one in models(part, make).items()}
    return chain(
        outcomes(attention.LAWS, cases),
        outcomes(laws, {"": lambda: getattr(first().inner, name)}),
        outcomes(model.LAWS, built, "of models: "),
    )


def refuse_what_cannot_be_made(cases: Mapping[str, Callable[[], Case]]) -> Callable[[], Case]:
    """Return the first case that is not refused. UserError where all are, or one breaks."""
    refused: list[str] = []
    for case in cases.values():
        try:
            case()
        except UserError as error:
            refused.append(str(error))
        except Exception as error:
            raise UserError(f"it cannot be made: {reason(error)}") from error
        else:
            return case
    raise UserError(f"it cannot be made: {refused[0]}")


def model_case(make: Callable[[], Any]) -> model.Case:
    """Make a model and a batch for it."""
    return model.Case(make())


def outcomes(
    laws: tuple[Callable[[Any], float | None], ...], subjects: Mapping[str, Subject], of: str = ""
) -> Iterator[Outcome]:
    """Try laws on subjects, by name; a law is broken where one of them breaks it."""
    for law in laws:
        outcome = Outcome(of + law.__name__.replace("_", " "))
        for name, subject in subjects.items():
            torch.manual_seed(1)
            try:
                found = law(subject())
            except UserError:
                continue  # a combination that is refused
            except Exception as error:
                outcome.broken = f"{name}: {reason(error)}".removeprefix(": ")
                break
            outcome.tried += 1
            if found is not None:
                outcome.difference = max(found, outcome.difference or 0.0)
        if outcome.tried or outcome.broken:
            yield outcome


def reason(error: Exception) -> str:
    """Say what went wrong, and where, if it was no law that said so."""
    if isinstance(error, Broken | UserError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    packages = str(Path(torch.__file__).parents[1])
    place = [one for one in frames if not one.filename.startswith(packages)][-1]
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first} ({place.filename}, line {place.lineno})"
