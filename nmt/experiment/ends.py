"""Where a run ends, and the ends that it has trained past: ``ends/step-0000004`` in its folder.

What a run folder says is of one step. Before training goes past an end, all that is of that end
moves away. The result goes first, so that from then on the run is unfinished; each part is renamed,
so that it is whole at every moment, in one place. With its configuration, its tokenizers and its
log until then an end is a run folder of its own, which `nmt translate` and the others take.
"""

import shutil
from itertools import count
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from nmt.errors import UserError
from nmt.evaluation.evaluate import TEXTS
from nmt.evaluation.explorer import EXPLORER
from nmt.evaluation.training_words import FILES
from nmt.evaluation.training_words import FOLDER as WORDS
from nmt.experiment.build import limits
from nmt.report.logger import METRICS
from nmt.runs.checkpoint import MODEL, checkpoints
from nmt.runs.files import as_typed, sync
from nmt.runs.folder import CONFIG, RESULT, TOKENIZERS, result_step, trained_on
from nmt.runs.tensors import stored_step
from nmt.training.trainer import NOT_FINITE

FOLDER = "ends"
UNFINISHED = ".partial"  # behind the name of an end that is being set aside
# What is of one step, in the order in which it goes.
PARTS = (
    RESULT,
    MODEL,
    *TEXTS,
    EXPLORER,
    "heatmaps/reference",
    *("evaluation", "alignment", "heads"),
    *("ctranslate2", "ctranslate2-int8", "huggingface"),  # see nmt.export
    NOT_FINITE,
)
ABOUT = (
    *(CONFIG, METRICS, f"{TOKENIZERS}/source.model", f"{TOKENIZERS}/target.model"),
    *(f"{WORDS}/{name}" for name in FILES),
)


class End(NamedTuple):
    """Why a run has ended."""

    limit: str  # the first that was reached, in words
    higher: list[str]  # settings that let it train on


def ended(cfg: DictConfig, run: Path) -> End | None:
    """Return why a run with a result has ended; None: it can be trained further.

    UserError if there is no checkpoint to resume from.
    """
    found = checkpoints(run)
    if not found:
        check_checkpoint(run)
    if not found or not (run / RESULT).is_file() or trained_on(run):
        return None
    position, given = found[-1].position, limits(cfg)
    num_batches = position.batch + 1  # or more: all the same
    reached = given.reached(position, num_batches)
    return End(reached, given.raised(position, num_batches)) if reached else None


def check_checkpoint(run: Path) -> None:
    """Raise UserError for a run without a checkpoint that has a result or a model to lose."""
    for name in (RESULT, MODEL):
        if (run / name).exists():
            raise UserError(
                f"{run} has {name} but no complete checkpoint, so it cannot be trained further. "
                f"To train it again in a new folder: nmt train from={as_typed(run)}"
            )


def leave(run: Path, last: int, trains_on: bool) -> list[Path]:
    """Set aside what is not of the step that a run is coming to; return where it lies now.

    ``last`` is the step of the last checkpoint. A training that only ends there once more keeps
    what is of that step.
    """
    said = end_step(run)
    there = [name for name in PARTS if (run / name).exists()]
    other = []
    if said is not None and said != last:
        other = [name for name in there if said > last or not is_later(run / name, run / RESULT)]
    rest = [name for name in there if name not in other]
    places = [set_aside(run, said, other)] if said is not None and other else []
    return places + ([set_aside(run, last, rest)] if trains_on and rest else [])


def end_step(run: Path) -> int | None:
    """Return the step that a run's result is of, or its model where there is no result yet.

    None: there is neither, or it does not say.
    """
    if (run / RESULT).is_file():
        return result_step(run)
    return stored_step(run / MODEL) if (run / MODEL).is_file() else None


def is_later(one: Path, other: Path) -> bool:
    """Tell whether a file was written after another one that is there.

    Older versions of nmt trained past an end in its folder. There the model and the texts of a new
    end can lie beside the result of the old one.
    """
    return other.is_file() and one.stat().st_mtime_ns > other.stat().st_mtime_ns


def set_aside(run: Path, step: int, names: list[str]) -> Path:
    """Move parts of a run folder into the folder of an end; see :func:`complete`."""
    partial = run / FOLDER / f"step-{step:07d}{UNFINISHED}"
    for name in ABOUT:
        if (run / name).is_file():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / name, partial / name)
            sync(partial / name)
    return move(run, partial, names)


def move(run: Path, partial: Path, names: list[str]) -> Path:
    """Move parts one after the other, then name their folder as a whole end."""
    for name in names:
        (partial / name).parent.mkdir(exist_ok=True)
        (run / name).rename(partial / name)
        sync((partial / name).parent)
        sync((run / name).parent)
    place = free(partial.with_suffix(""))
    partial.rename(place)
    sync(place.parent)
    return place


def complete(run: Path) -> None:
    """Complete a move that was interrupted, or undo it where no part had been moved."""
    for partial in sorted((run / FOLDER).glob(f"step-*{UNFINISHED}")):
        moved = [name for name in PARTS if (partial / name).exists()]
        if moved:
            left = [name for name in PARTS if (run / name).exists() and name not in moved]
            move(run, partial, left)
        else:
            shutil.rmtree(partial)


def free(place: Path) -> Path:
    """Return a folder that is not there yet: of this name, or with -2, -3 … behind it."""
    others = (place.with_name(f"{place.name}-{number}") for number in count(2))
    while place.exists():
        place = next(others)
    return place
