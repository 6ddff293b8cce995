"""What may stand at the key of a part, and what the program gives it."""

import inspect
import pydoc
from typing import Any

from nmt.attention.place import CHOICES
from nmt.config.settings import part_at
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
    "guide": ("nmt.alignment.guide.LinkSource",),
    "schedule": ("nmt.training.schedule.Schedule",),
}
WHERE = {"place", "layer"}  # what the parts of an attention are told of where they are
REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def given_to(part: str) -> set[str]:
    """Return what the program itself gives to a part that it makes."""
    found = set(WHERE) if part in CHOICES else set[str]()
    for name in MADE_LATER.get(part, ()):
        kind: Any = pydoc.locate(name)
        parameters = inspect.signature(kind).parameters.values()
        found |= {one.name for one in parameters if one.kind not in REST}
    return found


def find_class(path: str, name: str) -> type:
    """Return the class that ``_target_`` names.

    Only parts are built, our own and torch's optimizers, each in its place: a configuration may
    come with a run folder from anywhere, and must not call what it likes.
    """
    part = part_at(path)
    if part not in KINDS:
        raise UserError(f"{path}._target_={name}: nothing is built there")
    try:
        target = pydoc.locate(name) if name.startswith(("nmt.", "torch.optim.")) else None
    except pydoc.ErrorDuringImport as error:
        raise UserError(f"{path}._target_={name}: {error}") from error
    if not isinstance(target, type) or inspect.isabstract(target) or not is_kind(part, target):
        raise UserError(f"{path}._target_={name} is no class of nmt or torch.optim for {part}")
    return target


def is_kind(part: str, target: type) -> bool:
    """Tell whether a class is one of those that may stand at the key of a part."""
    kinds = ((kind, pydoc.locate(kind)) for kind in KINDS[part])
    return any(
        issubclass(target, kind)
        if isinstance(kind, type)
        else f"{target.__module__}.".startswith(f"{name}.")
        for name, kind in kinds
    )
