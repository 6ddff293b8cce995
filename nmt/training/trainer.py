"""The training loop: batches in, updates, and what is measured and kept on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.config import Train
from nmt.data.loader import Batch, TrainLoader
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.report.logger import Logger
from nmt.report.progress import Progress
from nmt.training.checkpoint import Checkpoint, Position, prune, save
from nmt.training.ema import EMA
from nmt.training.limits import Limits
from nmt.training.loss import BatchLoss, Loss, total
from nmt.training.runtime import autocast
from nmt.training.schedule import Schedule


class Work(NamedTuple):
    """The batches of one update, and where in the data training stands after it."""

    batches: list[Batch]
    epoch: int
    batch: int


class Update(NamedTuple):
    """What one update saw."""

    loss: Loss  # summed over its target pieces
    tokens: int
    grad_norm: Tensor  # () before clipping
    seconds: float


@dataclass
class Trainer:
    """Trains a model until a limit is reached; every evaluation on dev writes a checkpoint.

    ``evaluate`` measures on dev at an update: at least ``loss`` and ``bleu``.
    """

    model: Seq2Seq
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    loss: BatchLoss
    loader: TrainLoader
    evaluate: Callable[[int], dict[str, float]]
    logger: Logger
    progress: Progress
    config: Train
    device: torch.device
    precision: torch.dtype
    run: Path

    def __post_init__(self) -> None:
        """Stand at the beginning. UserError for a training without an end."""
        self.position = Position()
        self.limits = Limits(self.config, self.schedule)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.num_batches = self.loader.num_batches(0)  # about as many in every epoch
        self.ema = EMA(self.model, self.config.ema) if self.config.ema else None

    def resume(self, last: Checkpoint) -> None:
        """Stand where a checkpoint stood."""
        last.restore(self.model, self.optimizer)
        if self.ema:
            self.ema.restore(last.ema())
        self.position = replace(last.position)
        self.schedule.restore(last.position.schedule)

    def fit(self) -> str:
        """Train to a limit, evaluate what is reached, and say which limit it was."""
        start = time.monotonic() - self.position.seconds
        position, config = self.position, self.config
        recent: list[Update] = []
        self.model.train()
        work = self.work()
        while not (reached := self.limits.reached(position, self.num_batches)):
            recent.append(self.train_step(next(work)))
            position.seconds = time.monotonic() - start
            evaluate = position.step % config.evaluate_every == 0
            if evaluate or position.step % config.log_every == 0:
                self.report(recent)
                recent = []
            if evaluate:
                self.measure(start)
        if recent:
            self.report(recent)
        if not position.dev:
            self.measure(start)
        return reached

    def work(self) -> Iterator[Work]:
        """Yield the work of each update from the current position on, epoch after epoch.

        The last update of an epoch may have fewer batches than ``train.accumulate``.
        """
        start = self.position.batch
        for epoch in count(self.position.epoch):
            end = self.loader.num_batches(epoch)
            batches: list[Batch] = []
            for number, batch in enumerate(self.loader.epoch(epoch, start), start + 1):
                batches.append(batch)
                if number == end:
                    yield Work(batches, epoch + 1, 0)
                elif len(batches) == self.config.accumulate:
                    yield Work(batches, epoch, number)
                    batches = []
            start = 0

    def train_step(self, work: Work) -> Update:
        """Update the model once.

        The gradient is that of the loss summed over all target pieces of the update and divided by
        their number, however they are spread over batches.
        """
        started = time.monotonic()
        position = self.position
        progress = self.limits.progress(position, self.num_batches)
        position.step += 1
        position.dev = {}
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * self.schedule(position.step, progress)
        tokens = sum(batch.num_pieces for batch in work.batches)
        losses: list[Loss] = []
        for batch in work.batches:
            with autocast(self.device, self.precision):
                loss = self.loss(self.model, batch.to(self.device), self.config.label_smoothing)
            (loss.objective / tokens).backward()
            losses.append(loss)
        limit = self.config.clip_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(position.step)
        position.epoch, position.batch = work.epoch, work.batch
        position.tokens += tokens
        seconds = time.monotonic() - started
        position.update_seconds += seconds
        return Update(total(losses), tokens, norm, seconds)

    def report(self, recent: list[Update]) -> None:
        """Log the means over the updates since the last report. UserError where loss is none."""
        tokens = sum(update.tokens for update in recent)
        loss = total([update.loss for update in recent])
        objective = loss.objective.item() / tokens
        if not isfinite(objective):
            raise UserError(
                f"training has diverged: the loss is {objective} at step {self.position.step}. "
                "Lower optimizer.lr, lengthen schedule.warmup, or lower train.clip_norm"
            )
        metrics = {
            "train/loss": loss.smoothed.item() / tokens,
            "train/nll": loss.likelihood.item() / tokens,
            "train/grad_norm": sum(update.grad_norm.item() for update in recent) / len(recent),
            "train/lr": self.optimizer.param_groups[0]["lr"],
            "train/tokens_per_s": tokens / sum(update.seconds for update in recent),
            "train/minutes": self.position.seconds / 60,
            "train/epoch": self.position.epoch + self.position.batch / self.num_batches,
        }
        if loss.consistency is not None:
            metrics["train/consistency"] = loss.consistency.item() / tokens
        if loss.guided is not None:
            metrics["train/guided"] = loss.guided.item() / tokens
        self.logger.log(self.position.step, metrics)
        shares = self.limits.shares(self.position, self.num_batches)
        share = max(shares.values(), default=None)
        self.progress.show(self.position.step, self.position.seconds, share, metrics)

    def measure(self, start: float) -> None:
        """Evaluate on dev and write a checkpoint; ``start`` is when training would have begun."""
        position, watch = self.position, self.config.watch
        with self.ema.in_place() if self.ema else nullcontext():
            position.dev = self.evaluate(position.step)
        self.schedule.observe(position.dev["loss"])
        position.schedule = self.schedule.state()
        now, best = position.dev[watch], position.best
        better = best is None or (now < best if watch == "loss" else now > best)
        position.best = now if better else best
        position.bad_evaluations = 0 if better else position.bad_evaluations + 1
        position.seconds = time.monotonic() - start
        ema = self.ema.average if self.ema else None
        save(self.run, self.model, self.optimizer, position, ema)
        prune(self.run, self.config.keep_last, self.config.keep_best, watch)
        self.progress.measured(position.step, position.dev, better)
