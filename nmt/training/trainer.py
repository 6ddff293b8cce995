"""The training loop: updates, evaluations and checkpoints."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.batches.ahead import ahead
from nmt.batches.loader import Loader
from nmt.batches.updates import Work, updates
from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.hardware.crowding import Crowding
from nmt.metrics.watch import is_better
from nmt.report.logger import Logger
from nmt.runs.checkpoint import Checkpoint, Position, contents, prune, save
from nmt.runs.files import resuming, write
from nmt.terminal.progress import Progress
from nmt.training.advice import diverged
from nmt.training.ema import EMA
from nmt.training.gradients import Gradients
from nmt.training.later import Later, step_if
from nmt.training.limits import Limits, epochs
from nmt.training.schedule import Schedule
from nmt.training.signals import Signals, Stop
from nmt.training.tally import Tally, Update

NOT_FINITE = "not_finite.tsv"
AHEAD = 4  # updates whose batches are made before they are needed


class Begun(NamedTuple):
    """An update that the device has started."""

    work: Work
    update: Update
    finite: Later


@dataclass
class Trainer:
    """Trains a model until a limit is reached; every evaluation on dev writes a checkpoint.

    ``evaluate`` measures on dev at an update: at least ``loss`` and ``bleu``. When ``signals`` ask
    for it, a checkpoint is written after the step and training ends with Stop.

    All processes that share each update have the same state; the first one writes.
    """

    gradients: Gradients
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    loader: Loader
    evaluate: Callable[[int], dict[str, float]]
    logger: Logger
    progress: Progress
    config: Train
    run: Path
    signals: Signals = field(default_factory=Signals)
    crowding: Crowding = field(default_factory=Crowding)

    def __post_init__(self) -> None:
        """Start at the beginning. UserError for a training without an end."""
        self.model, self.ranks = self.gradients.model, self.gradients.ranks
        self.position = Position()
        self.limits = Limits(self.config, self.schedule)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.num_batches = self.loader.num_batches(0)  # about as many in every epoch
        self.limits.check_epochs(self.num_batches)
        self.ema = EMA(self.model, self.config.ema) if self.config.ema else None
        self.tally = Tally()
        self.begun: Begun | None = None  # the last update, until it is known whether it was done

    def resume(self, last: Checkpoint) -> None:
        """Continue from a checkpoint."""
        last.restore(self.model, self.optimizer)
        if self.ema:
            self.ema.restore(last.ema())
        self.position = replace(last.position)
        self.restore_schedule(last)
        self.loader.restore(last.position.data)
        self.tally = Tally.restored(last.position.tally)
        self.prune()  # a killed process may have had no time to

    def restore_schedule(self, last: Checkpoint) -> None:
        """Restore the schedule of a checkpoint. UserError for the state of another schedule.

        Older versions of nmt stored no state before the first evaluation: it was the first state.
        """
        state = last.position.schedule
        if not state:
            return
        if state.keys() != self.schedule.state().keys():
            raise UserError(
                f"{last.folder / 'state.json'}: schedule={state} is from another training"
            )
        self.schedule.restore(state)

    def fit(self) -> str:
        """Train to a limit, evaluate there, and return which limit it was."""
        start = time.monotonic() - self.position.seconds
        position, config = self.position, self.config
        self.model.train()
        self.signals.patient = True
        with closing(self.work()) as work:
            while not (reached := self.reached()):
                self.train_step(next(work))
                position.seconds = self.elapsed(start)
                self.progress.updated(position.step, position.seconds, self.used())
                evaluate = position.step % config.evaluate_every == 0
                if evaluate or position.step % config.log_every == 0:
                    self.report()
                if evaluate:
                    self.measure(start)
                self.stop_if_asked()
        self.settle()
        if self.tally.updates:
            self.report()
        if not position.dev:
            self.measure(start)
        self.signals.patient = False
        self.stop_if_asked()
        return reached

    def reached(self) -> str | None:
        """Return the limit that ends training here, in words; None: training continues."""
        return self.limits.reached(self.position, self.num_batches)

    def used(self) -> float | None:
        """Return the used share of the budget; None: training has no end."""
        return max(self.limits.shares(self.position, self.num_batches).values(), default=None)

    def elapsed(self, start: float) -> float:
        """Return how long training has run, the same for all processes."""
        return self.ranks.agreed(time.monotonic() - start)

    def work(self) -> Generator[Work]:
        """Yield the work of each update from the current position on, epoch after epoch.

        It is made while the device is busy with the updates before it.
        """
        start, size = self.position.batch, self.config.accumulate * self.ranks.size
        those = range(self.position.epoch, self.config.max_epochs or sys.maxsize)
        on_gpu = self.gradients.device.type == "cuda"
        return ahead(updates(self.loader, those, start, size, pinned=on_gpu), AHEAD)

    def train_step(self, work: Work) -> None:
        """Start one update of the model on the device.

        First its gradient; while the device computes that, the host learns whether the previous
        update was done; then the change of the weights. So the device always has work, and the host
        waits only for an answer that is already on its way.
        """
        with self.timed_updates():
            position, step = self.position, self.position.step + 1
            progress = self.limits.progress(position, self.num_batches)
            factor = self.schedule(step, progress)
            update = self.gradients(work.batches, step, progress)

            self.settle()

            position.step, position.dev = step, {}
            position.pieces += update.tokens
            position.epoch, position.batch, position.data = work.epoch, work.batch, work.place
            for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
                group["lr"] = rate * factor
            self.tally.rate = self.base_rates[0] * factor
            finite = update.loss.objective.isfinite() & update.grad_norm.isfinite()
            self.begun = Begun(work, update, step_if(finite, self.optimizer))
            self.gradients.forget()

    @contextmanager
    def timed_updates(self) -> Iterator[None]:
        """Count the time in the block as that of updates."""
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        self.position.update_seconds += seconds
        self.tally.seconds += seconds

    def settle(self) -> None:
        """Count the last update, as done or as skipped; only once."""
        begun, self.begun = self.begun, None
        if not begun:
            return
        if not begun.finite:
            self.skip(begun.work)
            return
        position = self.position
        if self.ema:
            self.ema.update(position.step)
        position.skipped_in_row = 0
        position.tokens += begun.update.tokens
        self.tally.add(begun.update)

    def skip(self, work: Work) -> None:
        """Count an update that was left out.

        NeedsOtherSettings where there are too many of them in a row.

        The weights are those of the last update that was done, and are kept in a checkpoint.
        """
        position = self.position
        position.skipped += 1
        position.skipped_in_row += 1
        if position.skipped_in_row < self.config.max_skipped:
            return
        sentences = self.loader.sentences(work.batches)
        if self.ranks.first:
            write(self.run / NOT_FINITE, "".join(f"{one}\t{other}\n" for one, other in sentences))
        self.keep()
        happened = (
            f"loss or gradient was not finite in {position.skipped_in_row} consecutive updates "
            f"(last: step {position.step}). The sentences of that update are in "
            f"{self.run / NOT_FINITE} (the first: {sentences[0][0][:60]}); the last good "
            "weights are kept"
        )
        raise diverged(happened, self.base_rates[0], self.schedule.warmup, self.config.clip_norm)

    def stop_if_asked(self) -> None:
        """If a process was asked to stop, write a checkpoint of this step and raise Stop."""
        signal = next(filter(None, self.ranks.gathered(self.signals.asked)), None)
        if not signal:
            return
        if not self.position.dev:
            self.keep()
        raise Stop(f"{signal}: stopped at step {self.position.step:,}")

    def report(self) -> None:
        """Log the means over the updates since the last report."""
        with self.timed_updates():
            self.settle()
        position = self.position
        metrics = self.tally.metrics() | {
            "train/lr": self.tally.rate,
            "train/minutes": position.seconds / 60,
            "train/epoch": epochs(position, self.num_batches),
        }
        if position.skipped:
            metrics["train/skipped"] = position.skipped
        self.tally = Tally()
        self.logger.log(position.step, metrics)
        self.progress.show(position.step, position.seconds, self.used(), metrics)
        if advice := self.crowding.advice(resuming(self.run)):
            self.progress.say(advice)

    def measure(self, start: float) -> None:
        """Evaluate on dev and write a checkpoint; ``start`` is when training would have begun."""
        position, watch = self.position, self.config.watch
        self.progress.measuring(position.step)
        with self.ema.in_place() if self.ema else nullcontext(), self.ranks.unsharded():
            position.dev = self.evaluate(position.step)
        self.schedule.observe(position.dev["loss"])
        better = is_better(position.dev[watch], position.best, watch)
        position.best = position.dev[watch] if better else position.best
        position.bad_evaluations = 0 if better else position.bad_evaluations + 1
        position.seconds = self.elapsed(start)
        self.keep()
        self.progress.measured(position.step, position.dev, better)

    def keep(self) -> None:
        """Write a checkpoint; older ones may be deleted."""
        self.settle()
        found = contents(self.model, self.optimizer, self.ema.average if self.ema else None)
        tensors = {file: self.ranks.full(content) for file, content in found.items()}
        if not self.ranks.first:
            return
        self.position.tally = self.tally.state()
        self.position.schedule = self.schedule.state()
        self.logger.flush()
        save(self.run, tensors, self.position)
        self.prune()

    def prune(self) -> None:
        """Delete the checkpoints that are no longer wanted."""
        if self.ranks.first:
            prune(self.run, self.config.keep_last, self.config.keep_best, self.config.watch)
