"""What a person sees while training runs: a bar at a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from math import inf, nan
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from nmt.metrics.bleu import BLEU_OF

SOON = 5.0  # seconds until the first line of a training, where there is no bar
ALMOST = 0.999  # of the bar, which stands still when it is full


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

    def __enter__(self) -> Self:
        """Draw the bar where there is a terminal."""
        if self.console.is_interactive:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state of the bar on the screen."""
        if self.console.is_interactive:
            self.bar.update(self.task, completed=self.share, description=self.last)
            self.bar.stop()

    def say(self, text: str) -> None:
        """Write a line."""
        self.console.print(text, markup=False)

    def stage(self, text: str) -> None:
        """Name what is done until the next line: beside the bar, or in a line of its own."""
        if self.console.is_interactive:
            self.bar.update(self.task, description=text, refresh=True)
        else:
            self.say(text)

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


def clock(seconds: float) -> str:
    """Write a span of time as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
