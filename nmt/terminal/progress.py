"""What a person sees while something takes long: moving lines at a terminal, plain ones elsewhere.

:class:`Progress` is for a training, :func:`showing` for other commands.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf, nan
from threading import Timer
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.status import Status
from rich.text import Text

from nmt.metrics.bleu import BLEU_OF
from nmt.stages import heard, listening, stage
from nmt.terminal.console import console as new_console

SOON = 5.0  # seconds until the first line of a training, where there is no bar
ALMOST = 0.999  # of the bar, which stands still when it is full
PATIENCE = 1.5  # seconds that a command may be silent
EVERY = 10.0  # seconds between two lines that say how far a stage is


class Progress:
    """Shows step, loss, learning rate, tokens/s and time left, and a line for each evaluation.

    Whatever takes some seconds is named before it begins.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Bar(
            SpinnerColumn(finished_text=""),
            BarColumn(bar_width=30),
            TextColumn("{task.description}"),
            console=self.console,
        )
        self.task = self.bar.add_task("", total=1.0)
        self.metrics: Mapping[str, float] = {}  # of the last report
        self.due: float | None = None  # seconds of training at which its first line is due
        self.last = ""  # how training stood, and the share of its budget that was used
        self.share: float | None = None
        self.began = 0.0  # the last evaluation, by the clock that only runs
        self.took: float | None = None  # seconds of it
        self.stages = Lines(self.say)
        self.late = Late(self.say)

    def __enter__(self) -> Self:
        """Draw the bar where there is a terminal."""
        if self.console.is_interactive:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state of the bar on the screen, if there was an update."""
        self.end()

    def end(self) -> None:
        """Draw the bar no more."""
        self.late.take_back()
        if self.console.is_interactive:
            shown = bool(self.last)
            self.bar.update(self.task, completed=self.share, description=self.last, visible=shown)
            self.bar.stop()

    def say(self, text: str) -> None:
        """Write a line."""
        self.late.take_back()
        self.console.print(text, markup=False)

    def stage(self, text: str) -> None:
        """Name what is done until the next line: beside the bar, or in a line of its own."""
        self.part(text)
        if not self.console.is_interactive:
            self.say(text)

    def part(self, text: str) -> None:
        """Name a part of the stage beside the bar; elsewhere only if it takes long."""
        self.stages.stage(text)
        if self.console.is_interactive:
            self.bar.update(self.task, description=text, refresh=True)
        else:
            self.late(text)

    def count(self, done: int, total: int | None) -> None:
        """Say how far the stage is."""
        if self.console.is_interactive:
            self.bar.update(self.task, description=far(self.stages.text, done, total))
        else:
            self.stages.count(done, total)

    def show(
        self, step: int, seconds: float, share: float | None, metrics: Mapping[str, float]
    ) -> None:
        """Show where training stands; ``share`` of its budget is used (None: it has no end)."""
        self.metrics = metrics
        if self.console.is_interactive:
            self.move(step, seconds, share)
        else:
            self.say(self.line(step, seconds, share))

    def updated(self, step: int, seconds: float, share: float | None) -> None:
        """Move the bar after an update; where there is none, say once how much time is left."""
        self.late.take_back()
        if self.console.is_interactive:
            self.move(step, seconds, share)
        elif self.due is None:
            self.due = seconds + SOON
        elif seconds >= self.due and not self.metrics:
            self.due = inf
            self.say(self.line(step, seconds, share))

    def move(self, step: int, seconds: float, share: float | None) -> None:
        """Show in the bar where training stands; it is not full before all is done."""
        self.last, self.share = self.line(step, seconds, share), share
        shown = None if share is None else min(share, ALMOST)
        self.bar.update(self.task, completed=shown, description=self.last)

    def line(self, step: int, seconds: float, share: float | None) -> str:
        """Write where training stands, with the measures of the last report."""
        words = [f"step {step:,}"]
        if metrics := self.metrics:
            loss, speed = metrics.get("train/loss", nan), metrics.get("train/tokens_per_s", nan)
            words += [f"loss {loss:.3f}", f"lr {metrics['train/lr']:.2e}", f"{speed:,.0f} tokens/s"]
        words.append(clock(seconds))
        if share:
            words.append(f"left {clock(seconds / share - seconds)}")
        return "  ".join(words)

    def measuring(self, step: int) -> None:
        """Say that dev is evaluated now, and how long that took the last time."""
        self.began = time.monotonic()
        took = "" if self.took is None else f", {clock(self.took)} the last time"
        self.stage(f"step {step:,}  evaluating on dev{took}")

    def measured(self, step: int, dev: Mapping[str, Any], better: bool) -> None:
        """Write the line of a dev evaluation; a star marks the best so far."""
        self.took = time.monotonic() - self.began
        of_pairs = [
            f"  {name.removeprefix(BLEU_OF)} {value:.2f}"
            for name, value in dev.items()
            if name.startswith(BLEU_OF)
        ]
        self.say(
            f"step {step:,}  dev loss {dev['loss']:.3f}  BLEU {dev['bleu']:.2f}{''.join(of_pairs)}"
            f"  chrF {dev['chrf']:.2f}{'  *' if better else ''}"
        )


class Lines:
    """Says in plain lines how far a stage is: one every EVERY seconds, and none of a short one."""

    def __init__(
        self, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.say, self.now = say, now
        self.text, self.told = "", now()

    def stage(self, text: str) -> None:
        """Remember what begins now."""
        self.text, self.told = text, self.now()

    def count(self, done: int, total: int | None) -> None:
        """Say how far the stage is, if it is time to."""
        if self.now() - self.told >= EVERY:
            self.told = self.now()
            self.say(far(self.text, done, total))


class Late:
    """Says a line unless it is taken back within PATIENCE, so that what is quick says nothing."""

    def __init__(self, say: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.say, self.patience = say, patience
        self.timer: Timer | None = None

    def __call__(self, text: str) -> None:
        """Say a line soon, in place of the one before."""
        self.take_back()
        self.timer = Timer(self.patience, self.say, (text,))
        self.timer.daemon = True
        self.timer.start()

    def take_back(self) -> None:
        """Say nothing any more."""
        if self.timer:
            self.timer.cancel()


class LateLines(Lines):
    """Names in plain lines each stage that takes longer than PATIENCE, and how far it is."""

    def __init__(self, say: Callable[[str], None], patience: float = PATIENCE) -> None:
        super().__init__(say)
        self.late = Late(say, patience)

    def stage(self, text: str) -> None:
        """Name what begins now, unless it ends soon."""
        super().stage(text)
        self.late(text)

    part = stage

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(self, *error: object) -> None:
        """Say nothing any more."""
        self.late.take_back()


class Moving:
    """Shows the stage in a moving line of a terminal, which is gone at the end of the block."""

    def __init__(self, console: Console) -> None:
        self.status, self.text = Status("", console=console), ""

    def stage(self, text: str) -> None:
        """Show what begins now."""
        self.text = text
        self.status.update(Text(text))

    part = stage

    def count(self, done: int, total: int | None) -> None:
        """Show how far the stage is."""
        self.status.update(Text(far(self.text, done, total)))

    def __enter__(self) -> Self:
        """Draw the line."""
        self.status.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the line away."""
        self.status.stop()


@contextmanager
def showing(text: str) -> Iterator[None]:
    """Show on standard error what is under way in the block, first of all ``text``.

    At a terminal a line moves, elsewhere there is one for each stage that takes longer than
    PATIENCE. Inside another such block, or in a training, that shows it.
    """
    if heard():
        stage(text)
        yield
        return
    on = new_console()
    shown = Moving(on) if on.is_interactive else LateLines(tell_stage)
    with shown, listening(shown):
        stage(text)
        yield


def tell_stage(text: str) -> None:
    """Say a stage on standard error, as it is when it is said."""
    new_console().print(text, markup=False)


def far(text: str, done: int, total: int | None) -> str:
    """Write how far a stage is."""
    return f"{text}  {done:,}" if total is None else f"{text}  {done:,}/{total:,}"


def clock(seconds: float) -> str:
    """Write a span of time as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
