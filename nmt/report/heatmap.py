"""Attention drawn as a grid: which source piece (above) each target piece (left) looked at."""

import unicodedata
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console
from rich.text import Text as RichText
from torch import Tensor

from nmt.data.text import shortened
from nmt.models.attention_maps import row_names
from nmt.models.contributions import as_shares
from nmt.report.fonts import drawable, families
from nmt.terminal.table import SHOWN

DPI = 110
GAP = 0.12  # inches around things
BAR = 0.5  # inches for the colour bar with its numbers
MIN_WIDTH = 5.0  # inches, so that the heading has room
POINT = 1 / 72  # inches
SPACE = 1  # cells between the panels of a grid


def heatmap(
    weights: Tensor,
    source: Sequence[str],
    target: Sequence[str],
    heading: str,
    lines: Sequence[str],
    rows: Sequence[str] = ("",),
    columns: Sequence[str] = ("",),
) -> Figure:
    """A figure of the weights (T,S) between S source labels and T target labels.

    Of weights (R,C,T,S) it is a grid of R rows and C columns with these names, such as layers and
    heads. The colour scale is 0 to 1 in every figure, so that two can be compared. `heading` (the
    number of the sentence) and `lines` (its text) stand above it, wrapped. Every label is drawn as
    it is, `$` and `_` too. pyplot does not know the figure, so nothing keeps it alive;
    `pixels(figure)` draws it.
    """
    if weights.dim() == 2:
        weights = weights[None, None]
    assert weights.shape == (len(rows), len(columns), len(target), len(source))
    image = side_by_side(weights.float().cpu().numpy())  # one matrix, NaN between the panels
    cell = cell_size(max(image.shape)) if weights.shape[:2] == (1, 1) else grid_cell(image.shape)
    figure = Figure(dpi=DPI)
    FigureCanvasAgg(figure)
    grid, bar = figure.add_axes((0, 0, 1, 1)), figure.add_axes((0, 0, 1, 1))
    drawn = grid.imshow(image, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size = 0.47 * cell / POINT
    draw_labels(grid, between(source, len(columns)), between(target, len(rows)), size)
    draw_lines(grid, weights.shape)
    colors = figure.colorbar(drawn, cax=bar, ticks=[0, 0.5, 1])
    colors.ax.tick_params(labelsize=7, length=2)
    names = draw_names(figure, rows, columns)

    # All sizes in inches, from the labels as they are drawn.
    above = max(height(label) for label in grid.get_xticklabels())
    left = max(width(label) for label in grid.get_yticklabels()) + 2 * GAP
    name_above = max((height(name) + GAP for name in names.columns), default=0.0)
    name_left = max((width(name) + GAP for name in names.rows), default=0.0)
    grid_height, grid_width = (cell * num for num in image.shape)
    total_width = max(name_left + left + grid_width + 2 * GAP + BAR, MIN_WIDTH)
    title = draw_title(figure, heading, lines, total_width - 2 * GAP)
    below = 2 * GAP + grid_height + GAP + above + name_above
    total_height = below + GAP + height(title) + GAP

    figure.set_size_inches(total_width, total_height)
    across, up = 1 / total_width, 1 / total_height
    title.set_position((GAP * across, 1 - GAP * up))
    left += name_left
    grid.set_position((left * across, 2 * GAP * up, grid_width * across, grid_height * up))
    bar_left = left + grid_width + GAP
    bar.set_position((bar_left * across, 2 * GAP * up, GAP * across, grid_height * up))
    for number, name in enumerate(names.columns):
        middle = left + cell * ((len(source) + SPACE) * number + len(source) / 2)
        name.set_position((middle * across, (below - name_above) * up))
    for number, name in enumerate(names.rows):
        middle = cell * ((len(target) + SPACE) * number + len(target) / 2)
        name.set_position((GAP * across, (2 * GAP + grid_height - middle) * up))
    return figure


def weights_figure(
    weights: np.ndarray,
    keys: Sequence[str],
    queries: Sequence[str],
    heading: str,
    lines: Sequence[str],
    is_share: bool = True,
) -> Figure:
    """A figure of weights (L,H,T,S): a row per layer, a column per head, then their mean.

    What is no share is divided by the sum of its row.
    """
    shown, columns = with_mean(torch.from_numpy(np.ascontiguousarray(weights)))
    shown = shown if is_share else as_shares(shown)
    rows = row_names(len(weights), 1)
    return heatmap(shown, keys, queries, heading, lines, rows, columns)


def panel(axes: Axes, weights: np.ndarray, keys: Sequence[str], queries: Sequence[str]) -> Axes:
    """Draw weights (T,S) into axes of the caller: keys above, queries on the left."""
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    draw_labels(axes, keys, queries, 9)
    draw_lines(axes, (1, 1, *weights.shape))
    return axes


def with_mean(weights: Tensor) -> tuple[Tensor, list[str]]:
    """Heads (L,H,T,S), and their mean where they are several, with their names: (L,C,T,S)."""
    heads = weights.size(1)
    if heads == 1:
        return weights, [""]
    names = [f"head {head + 1}" for head in range(heads)]
    return torch.cat([weights, weights.mean(1, keepdim=True)], 1), [*names, "mean of heads"]


class Names(NamedTuple):
    """The names of a grid's rows and columns as they are drawn; those that are empty are not."""

    rows: list[Text]
    columns: list[Text]


def side_by_side(weights: np.ndarray) -> np.ndarray:
    """Panels (R,C,T,S) in one matrix, SPACE cells of NaN between them."""
    num_rows, num_columns, num_targets, num_sources = weights.shape
    wide = np.full((num_rows, num_columns, num_targets + SPACE, num_sources + SPACE), np.nan)
    wide[:, :, :num_targets, :num_sources] = weights
    matrix = wide.transpose(0, 2, 1, 3).reshape(num_rows * (num_targets + SPACE), -1)
    return matrix[:-SPACE, :-SPACE]


def between(labels: Sequence[str], times: int) -> list[str]:
    """The labels of several panels in a row, SPACE empty ones between them."""
    return [*labels, *([""] * SPACE + list(labels)) * (times - 1)]


def cell_size(num: int) -> float:
    """Inches of a cell: less for more than 45 pieces, readable up to 190, never a huge picture."""
    return min(0.27, max(12 / num, 0.19), 36 / num)


def grid_cell(shape: tuple[int, ...]) -> float:
    """Inches of a cell of a grid: small, for a grid is looked at as a whole and drawn often."""
    num = max(shape)
    return min(0.15, max(20 / num, 0.1), 36 / num)


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


def draw_lines(axes: Axes, shape: Sequence[int]) -> None:
    """Thin lines between the cells of every panel: (R,C,T,S)."""
    num_rows, num_columns, num_targets, num_sources = shape
    style = {"color": "0.88", "linewidth": 0.5}
    for row, column in product(range(num_rows), range(num_columns)):
        top, left = row * (num_targets + SPACE) - 0.5, column * (num_sources + SPACE) - 0.5
        ends = top, top + num_targets, left, left + num_sources
        axes.vlines([left + place for place in range(num_sources + 1)], *ends[:2], **style)
        axes.hlines([top + place for place in range(num_targets + 1)], *ends[2:], **style)


def draw_names(figure: Figure, rows: Sequence[str], columns: Sequence[str]) -> Names:
    """The names of rows, turned, and of columns; their places are given later."""
    style = {"fontsize": 9, "family": families(), "parse_math": False}
    return Names(
        [figure.text(0, 0, name, rotation=90, va="center", **style) for name in rows if name],
        [figure.text(0, 0, name, ha="center", va="bottom", **style) for name in columns if name],
    )


def draw_title(figure: Figure, heading: str, lines: Sequence[str], inches: float) -> Text:
    """The heading and the lines, at most SHOWN characters each, wrapped; wide ones count twice."""
    size = 9
    columns = int(inches / (0.61 * size * POINT))
    console = Console(width=columns)
    wrapped = [
        part.plain.rstrip()
        for line in (heading, *lines)
        for part in RichText(drawable(shortened(line, SHOWN))).wrap(console, columns)
    ]
    text = "\n".join(wrapped)
    return figure.text(0, 1, text, va="top", fontsize=size, family=families(), parse_math=False)


def width(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().width / DPI


def height(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().height / DPI
