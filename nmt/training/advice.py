"""The command to type if a training cannot continue with its settings."""

from collections.abc import Sequence
from pathlib import Path

from nmt.batches.batch import Batch
from nmt.config.own import words_again
from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.runs.files import as_typed, resuming


class NeedsOtherSettings(UserError):
    """A training that ends because of its settings. The message names those that help.

    A run can resume with any one of the arguments ``resume``. With the arguments ``anew``, all
    together, it can be trained again from the start; not all settings can change when a run
    resumes.
    """

    def __init__(self, message: str, resume: Sequence[str], anew: Sequence[str]) -> None:
        super().__init__(message)
        self.resume = resume
        self.anew = anew

    def with_commands(self, run: Path) -> str:
        """Return the message and a command for each way out of a run that has begun."""
        commands = [resuming(run, word) for word in self.resume]
        if self.anew:
            anew = [f"nmt train from={as_typed(run)}", *words_again(), *self.anew]
            commands.append(" ".join(anew))
        return "\n  ".join([f"{self}. For instance:", *commands])


def too_large(
    batch: Batch, step: int, config: Train, alone: bool, recorded: bool
) -> NeedsOtherSettings:
    """Say which batch does not fit into the memory of the device, and the ways out.

    ``alone``: no other process trains with this one. ``recorded``: passes are CUDA graphs.
    """
    sentences, source = batch.source.shape
    target = batch.target.size(1) - 1
    message = (
        f"step {step}: the device has too little memory for a batch of {sentences} sentences, "
        f"{source} source and {target} target pieces each. "
    )
    resume = ["train.cuda_graphs=false"] * recorded
    if sentences == 1:
        message += "Drop long sentences (clean.max_pieces)"
        anew = [f"clean.max_pieces={max(max(source, target) // 2, 1)}"]
    else:
        message += (
            f"Halve train.max_tokens={config.max_tokens} and double "
            f"train.accumulate={config.accumulate}, which keeps the size of an update"
        )
        anew = [
            f"train.max_tokens={config.max_tokens // 2}",
            f"train.accumulate={2 * config.accumulate}",
        ]
        resume = ["train.split_batches=true"] * alone + resume
    others = "".join(f", or add {word}" for word in resume)
    return NeedsOtherSettings(message + others, resume, anew)


def diverged(
    happened: str, rate: float, warmup: int, clip_norm: float | None
) -> NeedsOtherSettings:
    """Say what to change where updates are not finite, given the learning rate and the others."""
    return NeedsOtherSettings(
        f"training has diverged: {happened}. Lower optimizer.lr, lengthen schedule.warmup, or "
        f"{'lower' if clip_norm else 'set'} train.clip_norm",
        resume=[f"train.clip_norm={clip_norm / 2 if clip_norm else 1.0:g}"],
        anew=[f"optimizer.lr={rate / 2:g}", f"schedule.warmup={max(2 * warmup, 100)}"],
    )
