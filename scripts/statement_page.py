"""What the figures and tables of docs/statements.md have in common."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nmt.data.cache import cache_folder
from nmt.data.corpus import Lines
from nmt.report.palette import EDGE
from nmt.runs.folder import read_config

Found = dict[str, Any]  # what was measured, as the JSON file has it
Rows = list[tuple[str | int, ...]]  # the header first

DOCS = Path(__file__).parent.parent / "docs"
IMAGES = DOCS / "images"
RESULTS = DOCS / "statements"


class Statement(NamedTuple):
    """A statement of the field: what is measured for it, and how that is shown."""

    measure: Callable[[Path], Found]  # trains in a folder of runs what is not there yet
    draw: Callable[[Found], Figure]
    rows: Callable[[Found], Rows]


class Run:
    """One training and what its log says."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.folder = folder
        if not (folder / "result.json").is_file():
            given = [f"resume={folder}"] if folder.exists() else [*words, f"hydra.run.dir={folder}"]
            subprocess.run([sys.executable, "-m", "nmt", "train", *given], check=True)
        self.result: dict[str, Any] = json.loads((folder / "result.json").read_text())
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        self.metrics: list[dict[str, float]] = [json.loads(line) for line in lines]

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of a metric."""
        found = [(line["step"], line[name]) for line in self.metrics if name in line]
        steps, values = zip(*found, strict=True)
        return list(steps), list(values)

    def last(self, name: str) -> float:
        """The last value of a metric."""
        return self.curve(name)[1][-1]


def studied(runs: Path) -> Path:
    """Return the first run of the study of Transformers, where it was trained below ``runs``."""
    run = runs / "multi30k_transformer" / "scaled_dot,optimizer.lr=0.01,seed=1"
    if not (run / "result.json").is_file():
        command = f"nmt study multi30k_transformer data.dir=FOLDER runs={runs}"
        sys.exit(f"{run} is missing; {command} trains it, and then others of the study")
    return run


def dev_text(run: Path, number: int | None = None) -> Lines:
    """Return the first ``number`` sentence pairs of the dev split of a run; None: all."""
    text = instantiate(read_config(run).data).lines(cache_folder(None), "dev")
    return Lines(text.source[:number], text.target[:number])


def measured(name: str) -> bool:
    """Tell whether a statement has been measured."""
    return (RESULTS / f"{name}.json").is_file()


def read(name: str) -> Found:
    """Read what was measured for a statement."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, found: Found) -> None:
    """Write what was measured."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(found, ensure_ascii=False, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def image(name: str) -> Path:
    """Return where the figure of a statement is."""
    return IMAGES / f"statement-{name.replace('_', '-')}.png"


def share_heights(axes: Sequence[Axes]) -> None:
    """Give panels the same range of heights, so that they can be compared."""
    low = min(axis.get_ylim()[0] for axis in axes)
    high = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, high)


def panels(names: Sequence[str], width: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure of panels, each ``width`` inches wide: up to three in a row, more in two rows."""
    rows = 1 if len(names) <= 3 else 2
    columns = -(-len(names) // rows)
    figure = Figure(figsize=(width * columns, 3.2 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    found = [figure.add_subplot(rows, columns, place + 1) for place in range(len(names))]
    for axes, name in zip(found, names, strict=True):
        axes.set_title(name, fontsize=10)
        axes.grid(color=EDGE)
        axes.set_axisbelow(True)
    return figure, found


def spread(values: Sequence[float], digits: int) -> str:
    """Write the mean of some runs, and their standard deviation where there are several."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return f"{mean:.{digits}f} ± {variance**0.5:.{digits}f}"
