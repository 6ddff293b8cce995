"""Checkpoints: folders ``checkpoints/step-0000500`` that appear complete or not at all.

Each holds ``model.safetensors``, ``optimizer.safetensors``, ``random.safetensors``, ``state.json``
and, if there is one, the moving average of the weights in ``ema.safetensors``: loading executes
nothing. ``SHA256SUMS`` shows whether the files are still as they were written.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from nmt.config.check import fits
from nmt.errors import UserError
from nmt.metrics.watch import badness
from nmt.runs.files import damage, replacing, resuming, sync, write_sums
from nmt.runs.foreign import read_json
from nmt.runs.tensors import check_tensors, read_tensors, shard_like

FOLDER = "checkpoints"
MODEL, AVERAGE = "model.safetensors", "ema.safetensors"
OPTIMIZER, RANDOM = "optimizer.safetensors", "random.safetensors"
STATE = "state.json"

Files = dict[str, dict[str, Tensor]]  # by the name of the file, the tensors by theirs


@dataclass
class Position:
    """The state of training, without tensors."""

    step: int = 0  # updates done
    epoch: int = 0
    batch: int = 0  # batches of the epoch that are done
    seconds: float = 0.0  # of training so far, evaluation included
    update_seconds: float = 0.0  # of those, in updates
    tokens: int = 0  # target pieces so far
    pieces: int = 0  # the same, with those of updates that were skipped or are not settled
    dev: dict[str, float] = field(default_factory=dict)  # measures on dev at this step; empty: none
    best: float | None = None  # best watched dev metric so far; None: no number yet
    bad_evaluations: int = 0  # in a row without a better one
    schedule: dict[str, float] = field(default_factory=dict)
    tally: dict[str, float] = field(default_factory=dict)  # since the last line of metrics
    data: dict[str, float] = field(default_factory=dict)  # Loader.state
    skipped: int = 0  # updates whose loss or gradient was not finite
    skipped_in_row: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk."""

    folder: Path
    position: Position

    @classmethod
    def read(cls, folder: Path) -> "Checkpoint":
        """Read the state of training, without tensors."""
        return cls(folder, read_position(folder / STATE))

    @property
    def weights(self) -> Path:
        """The weights that were measured on dev: the moving average where there is one."""
        average = self.folder / AVERAGE
        return average if average.is_file() else self.folder / MODEL

    def model(self) -> dict[str, Tensor]:
        """Read the tensors that were measured on dev."""
        return read_tensors(self.weights)

    def ema(self) -> dict[str, Tensor] | None:
        """Read the moving average of the weights; None: there is none."""
        return self.model() if self.weights.name == AVERAGE else None

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Restore model, optimizer and random states."""
        load_tensors(model, self.folder / MODEL)
        self._load(OPTIMIZER, partial(load_optimizer, optimizer))
        self._load(RANDOM, load_random_states)

    def _load(self, name: str, load: Callable[[dict[str, Tensor]], None]) -> None:
        tensors = read_tensors(self.folder / name)
        try:
            load(tensors)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{self.folder / name} is from another training: {error}") from error


def read_position(path: Path) -> Position:
    """Read a state.json. UserError where it is not one."""
    content = read_json(path)
    types = {one.name: one.type for one in fields(Position)}
    for key, value in content.items():
        numbers = list(value.values()) if isinstance(value, dict) else []
        if (
            key not in types
            or not fits(value, types[key])
            or not all(fits(number, float) for number in numbers)
        ):
            raise UserError(f"{path}: {key}={value} is not a valid count")
        if type(value) is int and value < 0:
            raise UserError(f"{path}: {key}={value}: must be at least 0")
    content.setdefault("pieces", content.get("tokens", 0))  # of older versions
    return Position(**content)


def checkpoints(run: Path) -> list[Checkpoint]:
    """Return the checkpoints of a run folder, oldest first, without those that lack a position.

    UserError for a position that no training can have.
    """
    found: list[Checkpoint] = []
    for folder in sorted((run / FOLDER).glob("step-*[0-9]")):
        with unless_damaged(folder):
            if (folder / STATE).is_file():
                found.append(Checkpoint.read(folder))
    return found


def newest_intact(run: Path) -> Checkpoint | None:
    """Return the newest checkpoint that the disk has not damaged; None: there is none."""
    return next((one for one in reversed(checkpoints(run)) if not damage(one.folder)), None)


@contextmanager
def unless_damaged(folder: Path) -> Iterator[None]:
    """Ignore errors of a checkpoint inside the block if the disk is to blame."""
    try:
        yield
    except (OSError, UserError):
        if not damage(folder):
            raise


def repaired(run: Path, warn: Callable[[str], None]) -> list[Checkpoint]:
    """Return the complete checkpoints of a resumed run, oldest first.

    Those that the disk has damaged are set aside, with a warning; an interrupted exchange of
    folders is undone.
    """
    for old in sorted((run / FOLDER).glob("step-*.old")):
        place = old.with_suffix("")
        if place.exists():
            shutil.rmtree(old)
        else:
            old.rename(place)
    for folder in sorted((run / FOLDER).glob("step-*[0-9]")):
        if found := damage(folder):
            aside = folder.with_name(folder.name + ".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            warn(f"{folder} is damaged ({found}): set aside as {aside.name}")
    return checkpoints(run)


def contents(
    model: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor] | None = None
) -> Files:
    """Return the tensors of a training for a checkpoint, as they are in memory."""
    files = {MODEL: parameters(model), OPTIMIZER: optimizer_tensors(optimizer)}
    return {**files, AVERAGE: ema} if ema else files


def save(run: Path, tensors: Files, position: Position) -> Checkpoint:
    """Write a checkpoint under another name, then rename it: it appears complete or not at all.

    UserError where it cannot be written; earlier checkpoints stay as they are.
    """
    place = run / FOLDER / f"step-{position.step:07d}"
    for left_over in place.parent.glob("*.partial"):
        shutil.rmtree(left_over)
    partial = place.with_name(place.name + ".partial")
    try:
        partial.mkdir(parents=True)
        write_checkpoint(partial, tensors, position)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{place} cannot be written: {reason}. Earlier checkpoints are intact; once there "
            f"is space again: {resuming(run)}"
        ) from error
    exchange(partial, place)
    return Checkpoint(place, position)


def write_checkpoint(folder: Path, tensors: Files, position: Position) -> None:
    """Write the files of a checkpoint, and wait until they are on the disk."""
    for name, content in {**tensors, RANDOM: random_states()}.items():
        save_file(content, folder / name)
    (folder / STATE).write_text(json.dumps(asdict(position), indent=2))
    for file in folder.iterdir():
        sync(file)
    write_sums(folder)


def exchange(partial: Path, place: Path) -> None:
    """Replace a folder by another; at each moment one of both is complete, see :func:`repaired`."""
    old = place.with_name(place.name + ".old")
    if place.exists():
        place.rename(old)
    partial.rename(place)
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def measured(found: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Return those that were measured on dev; others were written at a signal."""
    return [checkpoint for checkpoint in found if checkpoint.position.dev]


def better_first(kept: Iterable[Checkpoint], watch: str) -> list[Checkpoint]:
    """Sort those that were measured on dev, the best first; of equal ones the older."""
    kept = measured(kept)
    for one in kept:
        if watch not in one.position.dev:
            raise UserError(f"{one.folder / STATE} has no dev {watch}")
    return sorted(kept, key=lambda c: (badness(c.position.dev[watch], watch), c.position.step))


def prune(run: Path, keep_last: int, keep_best: int, watch: str) -> None:
    """Delete all but the last ones and the best ones; the newest always stays."""
    found = checkpoints(run)
    kept = [*found[-1:], *measured(found)[-max(keep_last, 1) :]]
    kept += better_first(found, watch)[:keep_best]
    for checkpoint in found:
        if checkpoint not in kept:
            delete(checkpoint.folder)


def delete(folder: Path) -> None:
    """Delete a checkpoint. What an interruption leaves of it has another name; see :func:`save`."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    folder.rename(partial)
    shutil.rmtree(partial)


def size(model: nn.Module, optimizer: torch.optim.Optimizer, ema: bool) -> int:
    """Return about how many bytes a checkpoint takes, with the state of Adam."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    kept = optimizer_tensors(optimizer)
    state = sum(t.numel() * t.element_size() for t in kept.values()) if kept else 2 * weights
    return weights * (2 if ema else 1) + state


def average(chosen: list[Checkpoint]) -> dict[str, Tensor]:
    """Return the mean of the models' tensors (Vaswani et al. 2017, section 6.1)."""
    mean = {name: tensor.double() for name, tensor in chosen[0].model().items()}
    for checkpoint in chosen[1:]:
        for name, tensor in checkpoint.model().items():
            mean[name] += tensor
    return {name: (tensor / len(chosen)).float() for name, tensor in mean.items()}


def parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return the model's parameters, each once though it may have several names."""
    return {name: p.detach().contiguous() for name, p in model.named_parameters()}


def save_tensors(model: nn.Module, path: Path, step: int) -> None:
    """Write the model's parameters to a file that appears complete and names its step."""
    with replacing(path) as partial:
        save_file(parameters(model), partial, {"step": str(step)})


def load_tensors(model: nn.Module, path: Path) -> None:
    """Read the file of :func:`save_tensors`. UserError where it is of another model."""
    check_tensors(model, path)
    put(model, read_tensors(path))


def put(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy tensors into the parameters with their names, which may be divided."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(shard_like(parameter, tensors[name]))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Flatten the optimizer's state to tensors by ``<parameter number>.<name>``."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value).contiguous()
        for number, values in state.items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore the state from :func:`optimizer_tensors`. ValueError if it is of other parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    shapes = [p.shape for p in parameters]
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        if not 0 <= int(number) < len(shapes) or tensor.shape not in ((), shapes[int(number)]):
            raise ValueError(f"{key} has the shape {tuple(tensor.shape)}")
        if tensor.dim():
            tensor = shard_like(parameters[int(number)], tensor)
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def random_states() -> dict[str, Tensor]:
    """Return the states of torch's generators."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def load_random_states(states: dict[str, Tensor]) -> None:
    """Restore them."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
