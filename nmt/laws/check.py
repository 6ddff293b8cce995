"""All laws that a part has to keep, tried one after the other."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nmt.errors import UserError
from nmt.laws import attention, model, normalize, score
from nmt.laws.case import Case
from nmt.laws.law import Broken
from nmt.laws.small import Make, around, models
from nmt.laws.small import attention as attention_with

Subject = Callable[[], Any]  # makes what a law is tried on


@dataclass
class Outcome:
    """What came out of a law."""

    law: str
    tried: int  # on how many attentions or models
    difference: float | None  # the largest that was seen; None: nothing was compared
    broken: str = ""  # where it does not hold, and why; empty: it holds


def check_part(part: str, make: Make) -> Iterator[Outcome]:
    """Try every law on attentions and models with a part, which ``make`` makes.

    UserError where it cannot be made.
    """
    cases = {
        name: partial(Case, attention_with(part, make, choices))
        for name, choices in around(part).items()
    }
    try:
        cases["alone"]()
    except Exception as error:
        raise UserError(f"it cannot be made: {reason(error)}") from error
    cases = not_refused(cases)
    yield from outcomes(attention.LAWS, cases)
    alone = cases["alone"]
    if part == "attention":
        yield from outcomes(score.LAWS, {"alone": lambda: alone().inner.score})
    if part == "normalize":
        yield from outcomes(normalize.LAWS, {"alone": lambda: alone().inner.normalize})
    built = {name: partial(model_case, one) for name, one in models(part, make).items()}
    yield from outcomes(model.LAWS, not_refused(built), "of models: ")


def not_refused(subjects: Mapping[str, Subject]) -> dict[str, Subject]:
    """Leave out what is refused to a user too: some parts have no meaning beside each other."""
    found: dict[str, Subject] = {}
    for name, subject in subjects.items():
        try:
            subject()
        except UserError:
            continue
        except Exception:  # noqa: BLE001, S110: a law will say so
            pass
        found[name] = subject
    return found


def model_case(make: Callable[[], Any]) -> model.Case:
    """Make a model and a batch for it."""
    return model.Case(make())


def outcomes(
    laws: tuple[Callable[[Any], float | None], ...], subjects: Mapping[str, Subject], of: str = ""
) -> Iterator[Outcome]:
    """Try laws on subjects, by name; a law is broken where one of them breaks it."""
    for law in laws:
        differences: list[float] = []
        broken = ""
        for name, subject in subjects.items():
            torch.manual_seed(1)
            try:
                difference = law(subject())
            except Exception as error:
                broken = f"{name}: {reason(error)}"
                break
            differences += [difference] if difference is not None else []
        largest = max(differences, default=None)
        yield Outcome(of + law.__name__.replace("_", " "), len(subjects), largest, broken)


def reason(error: Exception) -> str:
    """Say what went wrong, and where, if it was no law that said so."""
    if isinstance(error, Broken | UserError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    packages = str(Path(torch.__file__).parents[1])
    place = [one for one in frames if not one.filename.startswith(packages)][-1]
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first} ({place.filename}, line {place.lineno})"
