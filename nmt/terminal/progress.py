"""What a person sees while training runs: a bar at a terminal, plain lines elsewhere."""

from collections.abc import Mapping
from math import nan
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar


class Progress:
    """Shows step, loss, learning rate, tokens/s and time left, and a line for each evaluation."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Bar(
            BarColumn(bar_width=30), TextColumn("{task.description}"), console=self.console
        )
        self.task = self.bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        """Draw the bar where there is a terminal."""
        if self.console.is_interactive:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state of the bar on the screen."""
        if self.console.is_interactive:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Write a line."""
        self.console.print(text, markup=False)

    def show(
        self, step: int, seconds: float, share: float | None, metrics: Mapping[str, float]
    ) -> None:
        """Show where training stands; ``share`` of its budget is used (None: it has no end)."""
        loss, speed = metrics.get("train/loss", nan), metrics.get("train/tokens_per_s", nan)
        line = (
            f"step {step:,}  loss {loss:.3f}  lr {metrics['train/lr']:.2e}  "
            f"{speed:,.0f} tokens/s  {clock(seconds)}"
        )
        if share:
            line += f"  left {clock(seconds / share - seconds)}"
        if self.console.is_interactive:
            self.bar.update(self.task, completed=share, description=line)
        else:
            self.say(line)

    def measured(self, step: int, dev: Mapping[str, Any], better: bool) -> None:
        """Write the line of a dev evaluation; a star marks the best so far."""
        self.say(
            f"step {step:,}  dev loss {dev['loss']:.3f}  BLEU {dev['bleu']:.2f}  "
            f"chrF {dev['chrf']:.2f}{'  *' if better else ''}"
        )


def clock(seconds: float) -> str:
    """Write a span of time as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
