"""The training loop: batches in, updates, and what is measured and kept on the way."""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.batches.ahead import ahead
from nmt.batches.batch import Batch
from nmt.batches.loader import Loader
from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.hardware.memory import as_out_of_memory
from nmt.hardware.runtime import autocast
from nmt.metrics.watch import is_better
from nmt.models.seq2seq import Seq2Seq
from nmt.report.logger import Logger
from nmt.runs.checkpoint import Checkpoint, Position, contents, prune, save
from nmt.runs.files import write
from nmt.runs.tensors import full_tensor, is_divided
from nmt.terminal.progress import Progress
from nmt.training.advice import diverged, too_large
from nmt.training.compiled import compile_layers
from nmt.training.ema import EMA
from nmt.training.graphs import Recorder, cuda_graphs
from nmt.training.later import Later
from nmt.training.limits import Limits, epochs
from nmt.training.loss import BatchLoss, Loss, total
from nmt.training.penalized import with_penalties
from nmt.training.ranks import Ranks
from nmt.training.schedule import Schedule
from nmt.training.signals import Signals, Stop
from nmt.training.tally import Tally, Update

NOT_FINITE = "not_finite.tsv"
AHEAD = 4  # updates whose batches are made before they are needed


class Work(NamedTuple):
    """The batches of one update, of all processes; and where training stands in the data then."""

    batches: list[Batch]
    epoch: int
    batch: int
    place: dict[str, float]  # what the loader needs to go on from there, see `Loader.state`


class Begun(NamedTuple):
    """An update that the device was given to do."""

    work: Work
    update: Update
    finite: Later


@dataclass
class Trainer:
    """Trains a model until a limit is reached; every evaluation on dev writes a checkpoint.

    ``evaluate`` measures on dev at an update: at least ``loss`` and ``bleu``. When ``signals`` ask
    for it, a checkpoint is written after the step and training ends with Stop.

    The processes of ``ranks`` share each update; all know the same, and the first one writes.
    """

    model: Seq2Seq
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    loss: BatchLoss
    loader: Loader
    evaluate: Callable[[int], dict[str, float]]
    logger: Logger
    progress: Progress
    config: Train
    device: torch.device
    precision: torch.dtype
    run: Path
    signals: Signals = field(default_factory=Signals)
    ranks: Ranks = field(default_factory=Ranks)

    def __post_init__(self) -> None:
        """Stand at the beginning. UserError for a training without an end."""
        self.position = Position()
        self.limits = Limits(self.config, self.schedule)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.num_batches = self.loader.num_batches(0)  # about as many in every epoch
        self.limits.check_epochs(self.num_batches)
        self.ema = EMA(self.model, self.config.ema) if self.config.ema else None
        self.tally = Tally()
        self.asks_itself = asks_itself(self.optimizer)
        self.begun: Begun | None = None  # the last update, until it is known whether it was done
        loss = with_penalties(self.loss, self.model)
        self.objective = self.ranks.objective(self.model, loss)
        if self.config.compile:
            compile_layers(self.model)
        self.recorder = Recorder(self.passes, cuda_graphs()) if self.records() else None

    def records(self) -> bool:
        """Whether passes are recorded as CUDA graphs, for which batches are padded further."""
        alone_on_gpu = self.device.type == "cuda" and self.ranks.size == 1
        return self.config.cuda_graphs and alone_on_gpu and not self.model.reads_padding

    def resume(self, last: Checkpoint) -> None:
        """Stand where a checkpoint stood."""
        last.restore(self.model, self.optimizer)
        if self.ema:
            self.ema.restore(last.ema())
        self.position = replace(last.position)
        self.restore_schedule(last)
        self.loader.restore(last.position.data)
        self.tally = Tally.restored(last.position.tally)

    def restore_schedule(self, last: Checkpoint) -> None:
        """Put the schedule where a checkpoint's stood. UserError for the state of another one.

        Older versions of nmt stored no state before the first evaluation: it was the first state.
        """
        state = last.position.schedule
        if not state:
            return
        if state.keys() != self.schedule.state().keys():
            raise UserError(
                f"{last.folder / 'state.json'}: schedule={state} is not of this training"
            )
        self.schedule.restore(state)

    def fit(self) -> str:
        """Train to a limit, evaluate what is reached, and say which limit it was."""
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
        """Return the limit that ends training here, in words; None: it goes on."""
        return self.limits.reached(self.position, self.num_batches)

    def used(self) -> float | None:
        """Return the share of the budget that is used; None: training has no end."""
        return max(self.limits.shares(self.position, self.num_batches).values(), default=None)

    def elapsed(self, start: float) -> float:
        """Return for how long training has gone on, the same for all processes."""
        return self.ranks.agreed(time.monotonic() - start)

    def work(self) -> Generator[Work]:
        """Yield the work of each update from the current position on, epoch after epoch.

        It is made while the device is busy with the updates before it.
        """
        return ahead(self.updates(), AHEAD)

    def updates(self) -> Iterator[Work]:
        """Cut the epochs into updates; the last of one may have fewer batches than the others."""
        start = self.position.batch
        last = self.config.max_epochs or sys.maxsize  # what comes after it is not made ahead
        for epoch in range(self.position.epoch, last):
            batches: list[Batch] = []
            for number, batch in enumerate(self.loader.epoch(epoch, start), start + 1):
                batches.append(batch.pinned() if self.device.type == "cuda" else batch)
                if self.loader.ends(epoch, number):
                    yield Work(batches, epoch + 1, 0, self.loader.state(epoch + 1, 0))
                elif len(batches) == self.config.accumulate * self.ranks.size:
                    yield Work(batches, epoch, number, self.loader.state(epoch, number))
                    batches = []
            start = 0

    def train_step(self, work: Work) -> None:
        """Give the device one update of the model to do.

        The gradient is that of the loss summed over all target pieces of the update and divided by
        their number, however they are spread over batches and processes. Where it is not finite the
        update is left out. Whether it was is asked in :meth:`settle`, when the next one's gradient
        is being computed, so that the device always has something to do.
        """
        with self.timed_updates():
            position = self.position
            step = position.step + 1
            progress = self.limits.progress(position, self.num_batches)
            rates = [rate * self.schedule(step, progress) for rate in self.base_rates]
            self.ranks.draw(step)
            tokens = sum(batch.num_pieces for batch in work.batches)
            loss = total(self.gradients(self.share(work.batches), tokens))
            loss = loss.each(self.ranks.summed)
            limit = self.config.clip_norm or float("inf")
            norm = full_tensor(nn.utils.clip_grad_norm_(self.model.parameters(), limit))

            self.settle()
            position.step, position.dev = step, {}
            position.pieces += tokens
            position.epoch, position.batch, position.data = work.epoch, work.batch, work.place
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            self.tally.rate = rates[0]
            self.begun = Begun(work, Update(loss, tokens, norm), self.step_if_finite(loss, norm))
            self.forget_gradients()

    @contextmanager
    def timed_updates(self) -> Iterator[None]:
        """Count the time in the block as that of updates."""
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        self.position.update_seconds += seconds
        self.tally.seconds += seconds

    def step_if_finite(self, loss: Loss, norm: Tensor) -> Later:
        """Change the weights where loss and gradient are finite; return whether they are.

        A fused optimizer of torch asks the device itself, as it does under
        :class:`torch.amp.GradScaler`; with any other the host waits for the answer.
        """
        finite = loss.objective.isfinite() & norm.isfinite()
        later = Later(finite)
        if self.asks_itself:
            self.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        if self.asks_itself or later:
            self.optimizer.step()
        return later

    def settle(self) -> None:
        """Take in the last update, or where it was left out count that."""
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

    def share(self, batches: list[Batch]) -> list[Batch]:
        """Return this process's batches of an update: as many as each other's, if need be blank."""
        mine = self.ranks.share(batches)
        number = -(-len(batches) // self.ranks.size)
        return mine + [batches[0].blank()] * (number - len(mine))

    def gradients(self, batches: list[Batch], tokens: int) -> list[Loss]:
        """Add up the gradients of batches, halved where the device has too little memory.

        NeedsOtherSettings where they may not be halved, or cannot be.
        """
        try:
            with as_out_of_memory():
                with self.ranks.apart():
                    first = [self.gradient(batch, tokens) for batch in batches[:-1]]
                return [*first, self.gradient(batches[-1], tokens)]
        except torch.OutOfMemoryError as error:
            largest = max(batches, key=lambda batch: batch.source.numel() + batch.target.numel())
            if not self.config.split_batches or len(largest.source) == 1:
                step, alone = self.position.step + 1, self.ranks.size == 1
                recorded = self.recorder is not None
                raise too_large(largest, step, self.config, alone, recorded) from error
        # Here, where nothing holds the tensors of the failed pass any longer.
        self.forget_gradients()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return self.gradients([half for batch in batches for half in batch.halves()], tokens)

    def gradient(self, batch: Batch, tokens: int) -> Loss:
        """Add the gradient of one batch of an update that has so many target pieces."""
        batch = batch.to(self.device)
        if self.recorder:
            return self.recorder(batch, torch.full((), tokens, device=self.device))
        return self.passes(batch, tokens)

    def passes(self, batch: Batch, tokens: int | Tensor) -> Loss:
        """Pass forward through a batch and back, which adds its gradient."""
        with autocast(self.device, self.precision):
            loss = self.objective(self.model, batch, self.config.label_smoothing)
        (loss.objective * self.ranks.size / tokens).backward()  # of which ranks take the mean
        return loss.each(Tensor.detach)

    def forget_gradients(self) -> None:
        """Have the next gradient be added to nothing; graphs add to the memory that there is."""
        self.optimizer.zero_grad(set_to_none=not self.records())

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
            f"at step {position.step} loss or gradient is not finite, as in "
            f"{position.skipped_in_row} updates in a row. Its sentences are in "
            f"{self.run / NOT_FINITE} (the first: {sentences[0][0][:60]}); the last good weights "
            "are kept"
        )
        raise diverged(happened, self.base_rates[0], self.schedule.warmup, self.config.clip_norm)

    def stop_if_asked(self) -> None:
        """Where a process was asked to, write a checkpoint of this step and end with Stop."""
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
        """Write a checkpoint, and delete those that are no longer wanted."""
        self.settle()
        found = contents(self.model, self.optimizer, self.ema.average if self.ema else None)
        tensors = {file: self.ranks.full(content) for file, content in found.items()}
        if not self.ranks.first:
            return
        self.position.tally = self.tally.state()
        self.position.schedule = self.schedule.state()
        self.logger.flush()
        save(self.run, tensors, self.position)
        prune(self.run, self.config.keep_last, self.config.keep_best, self.config.watch)


def asks_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer leaves a step out where its ``found_inf`` on the device is not 0."""
    divided = any(map(is_divided, optimizer.param_groups[0]["params"]))
    return getattr(optimizer, "_step_supports_amp_scaling", False) and not divided
