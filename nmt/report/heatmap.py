"""Attention drawn as a grid: which source piece (above) each target piece (left) looked at."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console
from rich.text import Text as RichText
from torch import Tensor

from nmt.report.fonts import drawable, families

DPI = 110
GAP = 0.12  # inches around things
BAR = 0.5  # inches for the colour bar with its numbers
MIN_WIDTH = 5.0  # inches, so that the heading has room
POINT = 1 / 72  # inches


def heatmap(
    weights: Tensor,
    source: Sequence[str],
    target: Sequence[str],
    heading: str,
    lines: Sequence[str],
) -> Figure:
    """A figure of the weights (T,S) between S source labels and T target labels.

    The colour scale is 0 to 1 in every figure, so that two can be compared. `heading` (the number
    of the sentence) and `lines` (its text) stand above it, wrapped. Every label is drawn as it is,
    `$` and `_` too. pyplot does not know the figure, so nothing keeps it alive;
    `figure.savefig(path)` writes the PNG.
    """
    assert weights.shape == (len(target), len(source))
    cell = cell_size(max(weights.shape))
    figure = Figure(dpi=DPI)
    FigureCanvasAgg(figure)
    grid, bar = figure.add_axes((0, 0, 1, 1)), figure.add_axes((0, 0, 1, 1))
    image = grid.imshow(weights.float().cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    draw_labels(grid, source, target, size=0.47 * cell / POINT)
    draw_lines(grid, *weights.shape)
    colors = figure.colorbar(image, cax=bar, ticks=[0, 0.5, 1])
    colors.ax.tick_params(labelsize=7, length=2)

    # All sizes in inches, from the labels as they are drawn.
    above = max(height(label) for label in grid.get_xticklabels())
    left = max(width(label) for label in grid.get_yticklabels()) + 2 * GAP
    grid_width, grid_height = cell * len(source), cell * len(target)
    total_width = max(left + grid_width + 2 * GAP + BAR, MIN_WIDTH)
    title = draw_title(figure, heading, lines, total_width - 2 * GAP)
    total_height = 2 * GAP + grid_height + GAP + above + GAP + height(title) + GAP

    figure.set_size_inches(total_width, total_height)
    across, up = 1 / total_width, 1 / total_height
    title.set_position((GAP * across, 1 - GAP * up))
    grid.set_position((left * across, 2 * GAP * up, grid_width * across, grid_height * up))
    bar_left = left + grid_width + GAP
    bar.set_position((bar_left * across, 2 * GAP * up, GAP * across, grid_height * up))
    return figure


def cell_size(num: int) -> float:
    """Inches of a cell: less for more than 45 pieces, readable up to 190, never a huge picture."""
    return min(0.27, max(12 / num, 0.19), 36 / num)


def pixels(figure: Figure) -> np.ndarray:
    """The drawn figure: (height, width, 4) of uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def draw_labels(axes: Axes, source: Sequence[str], target: Sequence[str], size: float) -> None:
    """Source labels above, downwards or turned; target labels on the left."""
    style = {"fontsize": size, "family": families(), "parse_math": False, "linespacing": 1.0}
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), [downwards(drawable(s)) for s in source], **style)
    axes.set_yticks(range(len(target)), [drawable(t) for t in target], **style)
    axes.tick_params(length=0, pad=GAP / 2 / POINT)
    for label in axes.get_xticklabels():
        text = label.get_text()
        label.set_rotation(0 if len(text) == 1 or "\n" in text else 90)


def downwards(label: str) -> str:
    """A label of Han, kana and Hangul alone has a line for each character; others are as they are.

    Its ▁ becomes ␣, since above Han it would be read as 一.
    """
    letters = label.replace("▁", "")
    wide = all(unicodedata.east_asian_width(c) in "WF" for c in letters)
    return "\n".join(label.replace("▁", "␣")) if wide else label


def draw_lines(axes: Axes, num_rows: int, num_columns: int) -> None:
    """Thin lines between the cells."""
    axes.set_xticks([column + 0.5 for column in range(num_columns - 1)], minor=True)
    axes.set_yticks([row + 0.5 for row in range(num_rows - 1)], minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def draw_title(figure: Figure, heading: str, lines: Sequence[str], inches: float) -> Text:
    """The heading and the lines, each wrapped; wide characters count twice."""
    size = 9
    columns = int(inches / (0.61 * size * POINT))
    console = Console(width=columns)
    wrapped = [
        part.plain.rstrip()
        for line in (heading, *lines)
        for part in RichText(drawable(line)).wrap(console, columns)
    ]
    text = "\n".join(wrapped)
    return figure.text(0, 1, text, va="top", fontsize=size, family=families(), parse_math=False)


def width(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().width / DPI


def height(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().height / DPI
