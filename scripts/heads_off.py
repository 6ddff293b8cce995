"""Heads split, attend, concatenate: what is lost without each of them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, panels, studied

from nmt.report.palette import SIGNED

SENTENCES = 100  # of dev
PLACES = ("encoder self", "decoder self", "decoder cross")


def measure(runs: Path) -> Found:
    """Have `nmt heads` switch off the heads of a run of the study one at a time."""
    run = studied(runs)
    output = runs / "heads-off"
    words = [f"run='{run}'", "measure=loss", f"sentences={SENTENCES}", "precision=fp32"]
    given = [*words, f"output={output}"]
    subprocess.run([sys.executable, "-m", "nmt", "heads", *given], check=True)
    found = json.loads((output / "result.json").read_text(encoding="utf-8"))
    return {"whole": found["whole"], "lost": {one["head"]: one["lost"] for one in found["heads"]}}


def by_place(found: Found) -> dict[str, np.ndarray]:
    """Arrange the loss of each head by its place: (L,H) of each."""
    tables: dict[str, dict[tuple[int, int], float]] = {place: {} for place in PLACES}
    for name, lost in found["lost"].items():
        side, layer, what, head = name.split(".")
        tables[f"{side} {what}"][int(layer) - 1, int(head) - 1] = lost
    return {place: as_array(table) for place, table in tables.items()}


def as_array(table: dict[tuple[int, int], float]) -> np.ndarray:
    """Put values into an array by their places."""
    array = np.zeros(tuple(max(axis) + 1 for axis in zip(*table, strict=True)))
    for place, value in table.items():
        array[place] = value
    return array


def draw(found: Found) -> Figure:
    """Draw how much larger the loss is without each head, a square for each."""
    tables = by_place(found)
    figure, axes = panels(list(PLACES), 3.0)
    most = max(abs(table).max() for table in tables.values())
    for axis, table in zip(axes, tables.values(), strict=True):
        axis.grid(visible=False)
        axis.imshow(table, cmap=SIGNED.reversed(), vmin=-most, vmax=most)
        for (layer, head), lost in np.ndenumerate(table):
            axis.text(head, layer, f"{lost:.3f}", ha="center", va="center", fontsize=8)
        axis.set_xticks(range(table.shape[1]), numbers(table.shape[1]))
        axis.set_yticks(range(table.shape[0]), numbers(table.shape[0]))
        axis.set_xlabel("head")
    axes[0].set_ylabel("layer")
    figure.colorbar(axes[0].images[0], ax=axes, label="loss without it, nats more")
    return figure


def numbers(size: int) -> list[str]:
    """Count from 1."""
    return [str(number) for number in range(1, size + 1)]


def rows(found: Found) -> Rows:
    """What heads of each place are worth: the median, the most, how many are worth little."""
    names = "place", "heads", "nats per piece more without one, median", "most", "under 0.02"
    table: Rows = [names]
    for place, lost in by_place(found).items():
        table.append(
            (
                place,
                lost.size,
                f"{np.median(lost):.3f}",
                f"{lost.max():.3f}",
                int((lost < 0.02).sum()),
            )
        )
    return table


STATEMENT = Statement(measure, draw, rows)
