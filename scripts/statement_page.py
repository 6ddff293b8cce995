"""What the figures and tables of docs/statements.md have in common."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
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
from nmt.study.ledger import Ledger, Row

Found = dict[str, Any]  # what was measured, as the JSON file has it
Rows = list[tuple[str | int, ...]]  # the header first

DOCS = Path(__file__).parent.parent / "docs"
IMAGES = DOCS / "images"
RESULTS = DOCS / "statements"
PAGE = DOCS / "statements.md"
SEEDS = (1, 2, 3)  # of what is trained more than once
USED: list[Found] = []  # seed, device, precision, commit of each run that a statement reads
OLDER = "Measured by an earlier nmt, which did not record commit and machine."


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
        use(self.result)
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


def trained(runs: Path, name: str, words: Sequence[str]) -> list[Run]:
    """Train with each seed, in a folder of its own; what is there already is read.

    Statements share runs by their names: "statement" is ``experiment=statement`` as it is.
    """
    return [Run(runs / f"{name}-{seed}", [*words, f"seed={seed}"]) for seed in SEEDS]


def use(result: Mapping[str, Any]) -> None:
    """Keep where a run comes from, for the record of what is measured with it."""
    USED.append({key: result[key] for key in ("seed", "device", "precision", "commit")})


def rows_of(study: str, variant: str) -> list[Row]:
    """Return the runs of a variant in a ledger, by seed: those with the best value for dev."""
    own = [row for row in Ledger(DOCS / "studies", study).rows() if row.job.variant == variant]
    best = max(own, key=lambda row: row.best_dev, default=None)
    found = [row for row in own if best and row.job.value == best.job.value]
    for row in found:
        use({**row.content, **row.content["machine"]})
    return sorted(found, key=lambda row: row.job.seed)


def studied(runs: Path) -> Path:
    """Return the first run of the study of Transformers, where it was trained below ``runs``."""
    run = runs / "multi30k_transformer" / "scaled_dot,optimizer.lr=0.01,seed=1"
    if not (run / "result.json").is_file():
        command = f"nmt study multi30k_transformer data.dir=FOLDER runs={runs}"
        sys.exit(f"{run} is missing; {command} trains it, and then others of the study")
    use(json.loads((run / "result.json").read_text(encoding="utf-8")))
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
    found = whole(name)
    found.pop("measured", None)
    return found


def whole(name: str) -> Found:
    """Read the results of a statement, and under ``measured`` where they come from."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, found: Found, commit: str | None) -> None:
    """Write what was measured, and of which runs, when and with which commit."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"measured": origin(commit), **found}, ensure_ascii=False, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def origin(commit: str | None) -> Found:
    """Return the date, the commit of the measurement, and what the runs in ``USED`` have."""
    runs = {
        key: sorted({one[key] for one in USED if one[key] is not None})
        for key in ("seed", "device", "precision", "commit")
    }
    return {"date": f"{date.today():%Y-%m-%d}", "commit": commit, "runs": runs}


def came_from(name: str) -> str:
    """Say in a sentence where the results of a statement come from."""
    measured = whole(name).get("measured")
    if measured is None:
        return OLDER
    runs = measured["runs"]
    when = f"Measured on {measured['date']} by {measured['commit']}"
    if not runs["seed"]:
        return f"{when}."
    seeds = "seed" if len(runs["seed"]) == 1 else "seeds"
    trained = f"{seeds} {', '.join(map(str, runs['seed']))}, {' and '.join(runs['precision'])}"
    devices = " and ".join(map(in_words, runs["device"]))
    return f"{when}; runs with {trained}, on {devices}."


def in_words(device: str) -> str:
    """Write a machine as result.json names it, but one thread in the singular."""
    return device.replace(", 1 threads", ", 1 thread")


def line_of(row: Sequence[str | int]) -> str:
    """Write a row of a table as the page has it."""
    return f"| {' | '.join(str(cell) for cell in row)} |".replace("|  |", "| |")


def renew(page: str, rows: Rows, where: str) -> str:
    """Replace a table of the page, found by its header, and the sentence on its origin below it.

    ValueError, with the table, where the page does not have the header.
    """
    header, *others = (line_of(row) for row in rows)
    lines = page.split("\n")
    if header not in lines:
        table = "\n".join([header, line_of(["---"] * len(rows[0])), *others, "", where])
        raise ValueError(f"the page has no table with this header; add\n\n{table}")
    start = lines.index(header)
    end = start + next(n for n, line in enumerate(lines[start:]) if not line.startswith("|"))
    below = end + 2 if lines[end + 1].startswith("Measured ") else end
    return "\n".join([*lines[: start + 2], *others, "", where, *lines[below:]])


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


def bar(axes: Axes, place: float, values: Sequence[float], width: float, **style: Any) -> None:
    """Draw the mean of some runs as a bar, and a point for each where there are several."""
    axes.bar(place, sum(values) / len(values), width, **style)
    if len(values) > 1:
        axes.plot([place] * len(values), values, "o", color="black", markersize=4)


def spread(values: Sequence[float], digits: int) -> str:
    """Write the mean of some runs, and their standard deviation where there are several."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return f"{mean:.{digits}f} ± {variance**0.5:.{digits}f}"
