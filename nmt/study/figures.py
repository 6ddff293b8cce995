"""The figures of a study: scores, learning, and where each variant looks."""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from nmt.comparison.plots import blank, finished, label
from nmt.report.heatmap import Axis
from nmt.report.palette import BLUE, VERMILION, style
from nmt.report.several import Panel, several
from nmt.study.findings import Findings, Result

ROW = 0.3  # inches of a variant
CROSS = "source-target"

Drawn = tuple[Path, str, str]  # file, title, caption


def draw(found: Findings, folder: Path) -> Iterator[Drawn]:
    """Write the figures of a study that has a result into a folder."""
    if not found.results:
        return
    folder.mkdir(parents=True, exist_ok=True)
    yield (
        saved(scores(found), folder / "bleu.png"),
        "BLEU of every run",
        "Each point is a run, the bar the mean over seeds; BLEU is the mean over the test sets.",
    )
    learned = curves(found)
    if learned:
        yield (
            saved(learned, folder / "learning.png"),
            "BLEU on dev during training",
            "Greedy BLEU on dev, the mean over seeds.",
        )
    number = longest(found)
    if number is not None:
        image = looks(found, number)
        Image.fromarray(image).save(folder / "attention.png")
        yield (
            folder / "attention.png",
            "One sentence under every variant",
            "Where each variant looks while it is made to write the reference, with its first "
            "seed: a row per target piece, the mean over layers, hops and heads.",
        )


def saved(figure: Figure, path: Path) -> Path:
    """Write a figure."""
    figure.savefig(path)
    return path


def scores(found: Findings) -> Figure:
    """Draw BLEU of every run, a line per variant, the best on top."""
    figure, axes = blank("BLEU", "")
    figure.set_size_inches(8, 1 + ROW * len(found.results))
    ordered = sorted(found.results, key=lambda one: mean(one.scores("bleu")))
    for place, one in enumerate(ordered):
        values = one.scores("bleu")
        color = VERMILION if one.name == found.study.baseline else BLUE
        axes.plot(values, [place] * len(values), "o", color=color, markersize=5, alpha=0.7)
        axes.plot([mean(values)], [place], "|", color=color, markersize=16, markeredgewidth=2)
    axes.set_yticks(range(len(ordered)), [label(one.name) for one in ordered], fontsize=9)
    axes.margins(y=0.1)
    return figure


def curves(found: Findings) -> Figure | None:
    """Draw BLEU on dev over the updates, a line per variant; None: nothing was measured."""
    figure, axes = blank("updates", "BLEU on dev")
    for place, one in enumerate(found.results):
        together = list(zip(*(row.content["dev"] for row in one.rows), strict=False))
        if together:
            steps = [mean(entry["step"] for entry in entries) for entries in together]
            bleu = [mean(entry["dev/bleu"] for entry in entries) for entries in together]
            axes.plot(steps, bleu, label=label(one.name), **style(place))
    return finished(figure, axes, "")


def longest(found: Findings) -> int | None:
    """Return the number of the longest of the study's own sentences; None: nobody attends."""
    sources = [source for source, _ in found.study.sentences]
    if not sources or not any(key(0) in one.rows[0].arrays for one in found.results):
        return None
    return max(range(len(sources)), key=lambda number: len(sources[number]))


def key(number: int) -> str:
    """Return the name of the array with the weights of a sentence."""
    return f"attention/{number}/{CROSS}"


def looks(found: Findings, number: int) -> np.ndarray:
    """Draw one sentence under every variant that attends to something."""
    panels = [panel(one, number) for one in found.results if key(number) in one.rows[0].arrays]
    source, target = found.study.sentences[number]
    return several(panels, found.study.title, [("source", source), ("reference", target)])


def panel(one: Result, number: int) -> Panel:
    """Draw where a variant looks, the mean over layers, hops and heads."""
    arrays = one.rows[0].arrays
    weights = torch.from_numpy(arrays[key(number)]).float().mean((0, 1))  # (T,S)
    source, target = (arrays[f"pieces/{number}/{side}"].tolist() for side in ("source", "target"))
    return Panel(one.name, weights, Axis(source, "source"), Axis(target, "reference"))
