"""What may stand at the key of a part, and what the program gives it."""

import inspect
import pydoc
from typing import Any

from nmt.attention.place import CHOICES
from nmt.config.own import load
from nmt.config.settings import part_at
from nmt.config.suggestion import did_you_mean, similar
from nmt.errors import UserError

# What may stand at the key of a part: classes of these, or of these modules. The parts of a model
# are made later, by the program: it gives what the constructors of these classes take, and what one
# of their kind takes beyond that is set in the configuration.
MADE_LATER = {
    "model": ("nmt.models.seq2seq.Seq2Seq",),
    "cell": ("nmt.models.recurrent.Recurrent",),
    "bridge": ("nmt.models.bridge.Bridge",),
    "order": ("nmt.models.decoder.Decoder",),
    "attention": ("nmt.attention.score.Score", "nmt.attention.none.FixedContext"),
    "normalize": ("nmt.attention.normalize.Normalizer",),
    "window": ("nmt.attention.window.Window",),
    "sink": ("nmt.attention.sink.Sink",),
    "gate": ("nmt.attention.gate.Gate",),
    "mix": ("nmt.attention.mix.Mix",),
    "positions": ("nmt.models.positions.Positions",),
    "feed_forward": ("nmt.models.feed_forward.FeedForward",),
    "residual": ("nmt.models.residual.Residual",),
    "norm": ("nmt.models.norm.Norm",),
    "optimizer": ("torch.optim.Optimizer",),
}
KINDS = {
    **MADE_LATER,
    "data": ("nmt.data.corpus.Corpus",),
    "consistency": ("nmt.training.consistency",),
    "teacher": ("nmt.training.scheduled_sampling",),
    "guide": ("nmt.alignment.guide.LinkSource",),
    "schedule": ("nmt.training.schedule.Schedule",),
}
WHERE = {"place", "layer"}  # what the parts of an attention are told of where they are
WIDTHS = {"query_width", "value_width"}  # what normalizers are told too
OURS = ("nmt.", "torch.optim.")
REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def given_to(part: str) -> set[str]:
    """Return what the program itself gives to a part that it makes."""
    found = set(WHERE) if part in CHOICES else set[str]()
    found |= WIDTHS if part == "normalize" else set[str]()
    for name in MADE_LATER.get(part, ()):
        kind: Any = pydoc.locate(name)
        parameters = inspect.signature(kind).parameters.values()
        found |= {one.name for one in parameters if one.kind not in REST}
    return found


def find_class(path: str, name: str) -> type:
    """Return the class that ``_target_`` names, for the part at a key. UserError for all others."""
    part = part_at(path)
    if part not in KINDS:
        raise UserError(f"{path}._target_={name}: no class can be chosen there")
    try:
        return class_for(part, name)
    except UserError as error:
        raise UserError(f"{path}._target_={name}: {error}") from error


def class_for(part: str, name: str) -> type:
    """Return a class, module.Class, for a part.

    Only parts are built, each in its place: our own, torch's optimizers, and those of modules that
    the user has named. A configuration may come with a run folder from anywhere, and must not call
    what it likes. UserError for all others.
    """
    if not name.startswith(OURS):
        return own_class(part, name)
    try:
        target = pydoc.locate(name)
    except pydoc.ErrorDuringImport as error:
        raise UserError(str(error)) from error
    if not isinstance(target, type) or inspect.isabstract(target) or not is_kind(part, target):
        raise UserError(f"it is not a class of nmt or torch.optim for {part}")
    return target


def own_class(part: str, name: str) -> type:
    """Return a class of the user's own, by module.Class. UserError where it is not such a part."""
    module, _, last = name.rpartition(".")
    loaded = load(module)
    target = getattr(loaded, last, None)
    if not isinstance(target, type):
        there = [key for key, one in vars(loaded).items() if is_own(part, one, module)]
        meant = did_you_mean(similar(last, there))
        raise UserError(f"{loaded.__file__} has no class {last}.{meant} It has {listed(there)}")
    if not is_kind(part, target):
        raise UserError(f"{last} is not a subclass of {' or '.join(KINDS[part])}")
    missing = getattr(target, "__abstractmethods__", ())
    if missing:
        raise UserError(f"{last} must define {' and '.join(sorted(missing))}")
    return target


def is_own(part: str, value: Any, module: str) -> bool:
    """Tell whether a value of a module is a class for a part that was written there."""
    return isinstance(value, type) and value.__module__ == module and is_kind(part, value)


def listed(names: list[str]) -> str:
    """Return names between commas."""
    return ", ".join(names) or "none that fits here"


def part_for(target: type) -> str | None:
    """Return the part of an attention, or positions, that a class is made for; None: for none."""
    parts = (*CHOICES, "positions")
    return next((part for part in parts if part in KINDS and is_kind(part, target)), None)


def is_kind(part: str, target: type) -> bool:
    """Tell whether a class is one of those that may stand at the key of a part."""
    kinds = ((kind, pydoc.locate(kind)) for kind in KINDS[part])
    return any(
        issubclass(target, kind)
        if isinstance(kind, type)
        else f"{target.__module__}.".startswith(f"{name}.")
        for name, kind in kinds
    )
