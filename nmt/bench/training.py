"""The speed of training: the real updates of `Trainer`, on random sentences."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec

import torch
from rich.console import Console

from nmt.batches.batch import Batch
from nmt.batches.train_loader import TrainLoader
from nmt.batches.updates import Work
from nmt.bench.clock import Clock, now
from nmt.bench.flops import count
from nmt.bench.profile import Operator, operators
from nmt.config.schema import Bench
from nmt.data.prepare import Prepared
from nmt.data.tokenizer import PAD
from nmt.errors import UserError
from nmt.experiment.build import Parts
from nmt.hardware.runtime import forget_peak_memory, peak_memory
from nmt.report.logger import Logger
from nmt.run import Translator
from nmt.terminal.progress import Progress
from nmt.training.gradients import Gradients
from nmt.training.loss import Loss
from nmt.training.tally import Update
from nmt.training.trainer import Trainer

P = ParamSpec("P")
PARTS = DATA, FORWARD, BACKWARD, UPDATE = "data", "forward", "backward", "update"


@dataclass
class TrainingSpeed:
    """What was measured over some updates."""

    updates: int
    tokens: int  # target pieces without padding
    seconds: float  # of all updates, without a stop between them
    padding_share: float  # of the places of both sides
    operations: int  # of the matrix products, see nmt.bench.flops
    parts: dict[str, float]  # seconds an update of PARTS, of as many updates with stops between
    peak_memory: int  # bytes
    operators: list[Operator]  # where the time went, if that was asked for
    recorded: bool = False  # whether both passes are replayed as CUDA graphs, and so one part


class TimedGradients(Gradients):
    """Gradients as they are; while ``clock`` is there it is read where a part begins or ends."""

    clock: Clock | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.objective = self.timed(FORWARD, self.objective)
        self.through = self.timed(BACKWARD, self.through)

    def __call__(self, batches: list[Batch], step: int, progress: float = 0.0) -> Update:
        """Add the gradient of an update."""
        with self.part(DATA):
            there = [batch.to(self.device) for batch in batches]
        return super().__call__(there, step, progress)

    def timed(self, part: str, done: Callable[P, Loss]) -> Callable[P, Loss]:
        """Return what does the same and is counted for a part."""

        def do(*args: P.args, **kwargs: P.kwargs) -> Loss:
            with self.part(part):
                return done(*args, **kwargs)

        return do

    def part(self, name: str) -> AbstractContextManager[None]:
        """Count what is done inside the block for a part."""
        if not self.clock or self.is_recording():
            return nullcontext()
        return self.clock.part(name)

    def is_recording(self) -> bool:
        """Whether the device is only told what it will have to do, and no clock can be read."""
        return self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


class TimedTrainer(Trainer):
    """The trainer as it is, timed by the clock of its gradients."""

    gradients: TimedGradients  # type: ignore[reportIncompatibleVariableOverride]

    @contextmanager
    def asked_for_singly(self) -> Iterator[None]:
        """Have every product be asked for by itself inside the block, so that it can be counted.

        What is replayed or compiled cannot be.
        """
        gradients = self.gradients
        through, gradients.through = gradients.through, gradients.passes
        plain = torch.compiler.set_stance("force_eager") if self.config.compile else nullcontext()
        try:
            with plain:
                yield
        finally:
            gradients.through = through

    def ready(self, work: Iterator[Work], num: int) -> Iterable[Work]:
        """Return the next updates.

        Where shapes are recorded or compiled, they have been, as in a long training.
        """
        if not self.gradients.recorder and not self.config.compile:
            return islice(work, num)
        updates = list(islice(work, num))
        train(self, updates * 2)
        return updates

    @contextmanager
    def timed(self, clock: Clock) -> Iterator[Clock]:
        """Read the clock inside the block."""
        self.gradients.clock = clock
        try:
            yield clock
        finally:
            self.gradients.clock = None

    def work(self) -> Generator[Work]:
        """Yield the work of each update."""
        with closing(super().work()) as found:
            while True:
                with self.gradients.part(DATA):
                    one = next(found)
                yield one

    def train_step(self, work: Work) -> None:
        """Update the model once."""
        with self.gradients.part(UPDATE):
            super().train_step(work)

    def skip(self, work: Work) -> None:
        """Raise UserError: the time of an update that is left out is none of training."""
        raise UserError(
            f"update {self.position.step} of random sentences is not finite: lower optimizer.lr"
        )


def measure_training(
    parts: Parts, bench: Bench, corpus: Prepared, translator: Translator
) -> TrainingSpeed:
    """Train for ``bench.warmup`` updates, then for ``bench.updates`` in each of three passes.

    The first gives the time, the second the parts, both over batches that are new, as they are in
    training: kernels may have to be made for their shapes. The third repeats the first and counts.
    A fourth, for ``bench.profile``, repeats it under the profiler.
    """
    device = translator.device
    forget_peak_memory(device)
    with TemporaryDirectory() as folder, Logger(Path(folder)) as logger:
        trainer = build_trainer(parts, corpus, translator, logger, Path(folder))
        with closing(trainer.work()) as work:
            train(trainer, islice(work, bench.warmup))
            updates, others = trainer.ready(work, bench.updates), trainer.ready(work, bench.updates)
            start = now(device)
            done = train(trainer, updates)
            seconds = now(device) - start
            peak = peak_memory(device)
            with trainer.timed(Clock(lambda: now(device))) as clock:
                train(trainer, others)
        with trainer.asked_for_singly():
            operations = count(lambda: train(trainer, done))
        longest = operators(lambda: train(trainer, done), device, bench.profile)
    batches = [batch for one in done for batch in one.batches]
    return TrainingSpeed(
        updates=bench.updates,
        tokens=sum(batch.num_pieces for batch in batches),
        seconds=seconds,
        padding_share=padding_share(batches),
        operations=operations,
        parts={part: clock.seconds[part] / bench.updates for part in PARTS},
        peak_memory=peak,
        operators=longest,
        recorded=trainer.gradients.recorder is not None,
    )


def build_trainer(
    parts: Parts, corpus: Prepared, translator: Translator, logger: Logger, folder: Path
) -> TimedTrainer:
    """Build a trainer as `nmt train` does, for updates alone: it is not asked to evaluate."""
    model, config = translator.model, parts.train
    model.train()
    return TimedTrainer(
        gradients=TimedGradients(
            *(model, parts.loss, config, parts.device, parts.precision), teacher=parts.teacher
        ),
        optimizer=parts.optimizer(model),
        schedule=parts.schedule,
        loader=TrainLoader(corpus, config.max_tokens, parts.config.seed),
        evaluate=lambda _: {},
        logger=logger,
        progress=Progress(Console(quiet=True)),
        config=config,
        run=folder,
    )


def train(trainer: Trainer, updates: Iterable[Work]) -> list[Work]:
    """Do some updates; return them."""
    done: list[Work] = []
    for work in updates:
        trainer.train_step(work)
        done.append(work)
    trainer.settle()
    return done


def padding_share(batches: Iterable[Batch]) -> float:
    """Return the share of padding among the places that the model reads, of both sides."""
    sides = [side for batch in batches for side in (batch.source, batch.target[:, 1:])]
    return sum(int((ids == PAD).sum()) for ids in sides) / sum(ids.numel() for ids in sides)
