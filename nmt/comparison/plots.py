"""The plots of a comparison. A variant has the same colour, line and marker in all of them."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nmt.comparison.comparison import Comparison
from nmt.comparison.lengths import by_length, lengths_of, unit_of
from nmt.comparison.runs import Run
from nmt.report.fonts import drawable, families
from nmt.report.heatmap import pixels
from nmt.report.palette import EDGE, SOFT, style

SIZE = (6.4, 4.0)  # inches, without the legend
LEGEND_ROW = 0.17  # inches of a line of the legend
MAX_MARKERS = 10  # on a curve
WIDE = 34  # characters of a name before it is cut
DODGE = 0.7  # share of the width of a bucket, over which variants are spread


@dataclass(frozen=True)
class Plot:
    """A figure, the name of its files, and its caption. Each form is drawn once."""

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
        return as_svg(self.figure)

    @contextmanager
    def without_legend(self) -> Iterator[Figure]:
        """Take the legend out of the figure inside the block: several plots may share one."""
        legends, size = self.figure.legends, self.figure.get_size_inches()
        self.figure.legends = []
        self.figure.set_size_inches(SIZE)
        try:
            yield self.figure
        finally:
            self.figure.legends = legends
            self.figure.set_size_inches(*size)


def as_svg(figure: Figure) -> bytes:
    """Return a figure as a file of SVG."""
    data = io.BytesIO()
    with crowded():
        figure.savefig(data, format="svg")
    return data.getvalue()


def swatch(place: int) -> bytes:
    """Return the line and the marker of the variant of a row, as SVG."""
    figure = Figure(figsize=(0.42, 0.16))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot([0, 0.5, 1], [0, 0, 0], **style(place), markevery=[1])
    axes.axis("off")
    figure.patch.set_visible(False)
    return as_svg(figure)


@contextmanager
def crowded() -> Iterator[None]:
    """Draw inside the block without a warning where long names in a legend leave no room."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        yield


def plots(comparison: Comparison) -> list[Plot]:
    """Draw all plots for which the run folders have the numbers."""
    steps = curves(comparison, "dev/bleu", "updates", lambda line: line.get("step"))
    minutes = curves(comparison, "dev/bleu", "minutes of training", lambda line: line["minutes"])
    entropy = curves(comparison, "attention/entropy", "updates", lambda line: line.get("step"))
    greedy = "BLEU on dev, with the beam of the dev evaluations; one line per seed."
    found = [
        (
            "bleu_by_length",
            "BLEU by source length",
            "Mean over the seeds; a bar holds 95 of 100 bootstrap samples of the sentences. Points "
            "of a length stand side by side.",
            length_figure(comparison),
        ),
        ("dev_bleu_by_step", "Learning, by updates", greedy, steps),
        ("dev_bleu_by_minute", "Learning, by minutes", greedy, minutes),
        (
            "entropy",
            "Entropy of the attention",
            "Of source-target attention on dev, in nats: 0 is one piece alone"
            + (", grey is all pieces alike." if uniform(comparison) else "."),
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
    step = DODGE / len(comparison.variants)
    for place, variant in enumerate(comparison.variants):
        bands = by_length(variant, found, test_set, comparison.counts)
        if bands:
            shift = step * (place - (len(comparison.variants) - 1) / 2)
            scores = np.array([band.score for band in bands])
            ends = np.array([[band.low for band in bands], [band.high for band in bands]])
            errors = np.abs(ends - scores)  # (2,buckets)
            drawn = {**style(place), "linewidth": 0.6, "elinewidth": 0.9}
            at = np.arange(len(bands)) + shift
            axes.errorbar(at, scores, errors, label=label(variant.short), **drawn)
    names = [f"{one.label}\n({len(one.places):,})" for one in found]
    axes.set_xticks(range(len(found)), names, fontsize=8)
    axes.set_xlim(-0.5, len(found) - 0.5)
    axes.set_ylim(bottom=0)
    return finished(figure, axes, comparison.heading)


def curves(
    comparison: Comparison, metric: str, across: str, place_of: Callable[[dict], float | None]
) -> Figure | None:
    """Draw what was logged on dev during training, one line per run; None: nothing was."""
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
                name = None  # one entry per variant in the legend
    if metric == "attention/entropy" and (alike := uniform(comparison)):
        axes.axhline(alike, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        style_of_text = {"fontsize": 8, "color": SOFT, "va": "bottom"}
        axes.text(
            0.01, alike, "all pieces alike", transform=axes.get_yaxis_transform(), **style_of_text
        )
    axes.set_ylim(bottom=0)
    return finished(figure, axes, comparison.heading)


def uniform(comparison: Comparison) -> float | None:
    """Return the entropy of uniform attention; None: no run has it."""
    found = [row.statistics.get("attention_uniform") for row in comparison.rows]
    return next((one.mean for one in found if one), None)


def timed(run: Run) -> list[dict]:
    """Return the log of a run, with the minutes of each step; None: an older run has none."""
    minutes = {
        line["step"]: line.get("train/minutes") for line in run.metrics if "train/loss" in line
    }
    return [{**line, "minutes": minutes.get(line["step"])} for line in run.metrics]


def speed_figure(comparison: Comparison) -> Figure | None:
    """Draw BLEU over training speed, one point per variant; None: no speed is known."""
    figure, axes = blank("target pieces per second of training", "BLEU")
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
    """Return a figure with empty axes."""
    figure = Figure(figsize=SIZE, dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(color=EDGE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def finished(figure: Figure, axes: Axes, heading: str) -> Figure | None:
    """Put the legend under the plot; None: the plot is empty."""
    names = axes.get_legend_handles_labels()[1]
    if not names:
        return None
    longest = max(len(line) for name in names for line in name.split("\n"))
    columns = min(len(names), max(1, 84 // (longest + 9)))
    legend = figure.legend(
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        prop={"size": 8, "family": families()},
        handlelength=3.2,
        title=label(heading) or None,
        title_fontsize=8,
        alignment="left",
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
    lines = sum(1 + name.count("\n") for name in names) / columns + (1 if heading else 0)
    figure.set_size_inches(SIZE[0], SIZE[1] + LEGEND_ROW * (lines + 1))
    return figure


def label(name: str) -> str:
    """Wrap a name to the width of a legend."""
    lines: list[str] = [""]
    for word in drawable(name).split(", "):
        joined = f"{lines[-1]}, {word}" if lines[-1] else word
        if len(joined) > WIDE and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = joined
    return "\n".join(lines)
