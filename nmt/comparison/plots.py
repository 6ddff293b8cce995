"""The plots of a comparison. A variant has the same colour, line and marker in all of them."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nmt.comparison.comparison import Comparison
from nmt.comparison.lengths import by_length, lengths_of, unit_of
from nmt.comparison.runs import Run
from nmt.report.fonts import drawable, families
from nmt.report.heatmap import pixels

# Okabe and Ito 2008, told apart by the colour-blind too; yellow, faint on white, comes last.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00", "#B8A800")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SIZE = (8.0, 4.6)  # inches
MAX_MARKERS = 10  # on a curve
WIDE = 34  # characters of a name before it is cut


@dataclass(frozen=True)
class Plot:
    """A figure under the name of its files, with what it shows. It is drawn once in each form."""

    name: str
    title: str
    caption: str
    figure: Figure

    @cached_property
    def image(self) -> np.ndarray:
        """The pixels (height, width, 4) of uint8."""
        with crowded():
            return pixels(self.figure)

    @cached_property
    def svg(self) -> bytes:
        """The file of SVG."""
        data = io.BytesIO()
        with crowded():
            self.figure.savefig(data, format="svg")
        return data.getvalue()


@contextmanager
def crowded() -> Iterator[None]:
    """Draw inside the block without a warning where long names in a legend leave no room."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


def style(place: int) -> dict[str, Any]:
    """Return how the variant of a row is drawn: no two of the first 32 alike."""
    turn = place // len(COLORS)
    return {
        "color": COLORS[place % len(COLORS)],
        "linestyle": LINES[(place + turn) % len(LINES)],
        "marker": MARKERS[(place + turn) % len(MARKERS)],
        "markersize": 5,
        "linewidth": 1.6,
    }


def plots(comparison: Comparison) -> list[Plot]:
    """Draw all that the run folders have the numbers for."""
    steps = curves(comparison, "dev/bleu", "updates", lambda line: line.get("step"))
    minutes = curves(comparison, "dev/bleu", "minutes of training", lambda line: line["minutes"])
    entropy = curves(comparison, "attention/entropy", "updates", lambda line: line.get("step"))
    greedy = "BLEU on dev, with the beam of the dev evaluations; a line for each seed."
    found = [
        (
            "bleu_by_length",
            "BLEU by source length",
            "The mean over the seeds; the band holds 95 of 100 bootstrap samples of the sentences.",
            length_figure(comparison),
        ),
        ("dev_bleu_by_step", "Learning, by updates", greedy, steps),
        ("dev_bleu_by_minute", "Learning, by minutes", greedy, minutes),
        (
            "entropy",
            "Entropy of the attention",
            "Of source-target attention on dev, in nats, while training went on.",
            entropy,
        ),
        (
            "quality_by_speed",
            "Quality against speed",
            "Mean over the seeds, with the standard deviation where they are several.",
            speed_figure(comparison),
        ),
    ]
    return [Plot(name, title, text, figure) for name, title, text, figure in found if figure]


def length_figure(comparison: Comparison) -> Figure | None:
    """Draw BLEU over the length of the source; None: the run folders have no texts."""
    found = lengths_of(comparison.baseline)
    if found is None:
        return None
    (test_set,) = comparison.counts[comparison.baseline.runs[0].folder]
    figure, axes = blank(f"source length in {unit_of(comparison.baseline)}", "BLEU")
    centres = [bucket.length for bucket in found]
    for place, variant in enumerate(comparison.variants):
        bands = by_length(variant, found, test_set, comparison.counts)
        if bands:
            drawn = style(place)
            axes.plot(centres, [b.score for b in bands], label=label(variant.short), **drawn)
            low, high = [b.low for b in bands], [b.high for b in bands]
            axes.fill_between(centres, low, high, color=drawn["color"], alpha=0.12, linewidth=0)
    axes.set_xticks(centres, [f"{b.label}\n({len(b.places):,})" for b in found], fontsize=8)
    axes.set_ylim(bottom=0)
    return finished(figure, axes, comparison.heading)


def curves(
    comparison: Comparison, metric: str, across: str, place_of: Callable[[dict], float | None]
) -> Figure | None:
    """Draw what was logged on dev over the training, a line a run; None: nothing was."""
    figure, axes = blank(across, "BLEU on dev" if metric == "dev/bleu" else "entropy (nats)")
    for number, variant in enumerate(comparison.variants):
        name: str | None = label(variant.short)
        for run in variant.runs:
            points = [
                (place, line[metric])
                for line in timed(run)
                if line.get(metric) is not None and (place := place_of(line)) is not None
            ]
            if points:
                every = 1 + len(points) // MAX_MARKERS
                axes.plot(*zip(*points, strict=True), label=name, markevery=every, **style(number))
                name = None  # one entry a variant in the legend
    return finished(figure, axes, comparison.heading)


def timed(run: Run) -> list[dict]:
    """Return what a run logged, with the minutes of each step; None: an older run has none."""
    minutes = {
        line["step"]: line.get("train/minutes") for line in run.metrics if "train/loss" in line
    }
    return [{**line, "minutes": minutes.get(line["step"])} for line in run.metrics]


def speed_figure(comparison: Comparison) -> Figure | None:
    """Draw BLEU over training speed, a point a variant; None: no speed is known."""
    figure, axes = blank("target pieces a second of training", "BLEU")
    for place, row in enumerate(comparison.rows):
        speed, score = row.statistics.get("tokens_per_s"), row.statistics["bleu"]
        if speed:
            drawn = {**style(place), "linestyle": "none", "markersize": 6}
            errors = {"xerr": speed.deviation, "yerr": score.deviation, "capsize": 3}
            name = label(row.variant.short)
            axes.errorbar(speed.mean, score.mean, label=name, **errors, **drawn)
    axes.margins(0.15)
    return finished(figure, axes, comparison.heading)


def blank(across: str, up: str) -> tuple[Figure, Axes]:
    """Begin a figure."""
    figure = Figure(figsize=SIZE, dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def finished(figure: Figure, axes: Axes, heading: str) -> Figure | None:
    """Put the names, below what they name, beside the plot; None: there is nothing in it."""
    if not axes.get_legend_handles_labels()[0]:
        return None
    legend = axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        prop={"size": 8, "family": families()},
        handlelength=3.2,
        title=label(heading),
        title_fontsize=8,
        alignment="left",
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
    return figure


def label(name: str) -> str:
    """Cut a name into lines as short as a legend is wide."""
    lines: list[str] = [""]
    for word in drawable(name).split(", "):
        joined = f"{lines[-1]}, {word}" if lines[-1] else word
        if len(joined) > WIDE and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = joined
    return "\n".join(lines)
