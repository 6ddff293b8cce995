"""Attention drawn as a grid: which source piece (above) each target piece (left) looked at."""

import unicodedata
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import FuncNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from nmt.models.attention_maps import row_names
from nmt.models.contributions import as_shares
from nmt.models.seq2seq import Kind
from nmt.report.fonts import drawable, families
from nmt.report.labels import SPACE as SPACE_ALONE
from nmt.report.labels import Label, labels
from nmt.report.palette import BEGINS, CONTINUES, EDGE, SIGNED, SOFT, WEIGHTS
from nmt.report.title import Lines, Title

DPI = 110
GAP = 0.12  # inches around things
BAR = 0.72  # inches for the colour bar with its numbers and its name
MIN_WIDTH = 5.0  # inches, so that the heading has room
POINT = 1 / 72  # inches
SPACE = 1  # cells between the panels of a grid
LARGEST = 9.5  # points of a label
SMALL = 8  # points of the colour bar and the names of the axes
WEIGHT = "attention weight"
TICKS = {"linear": (0, 0.5, 1), "sqrt": (0, 0.05, 0.25, 0.5, 1)}  # of the scales of colours


class Axis(NamedTuple):
    """The pieces along one side of a picture, their role, and their language where it is known."""

    pieces: Sequence[str]
    role: str = ""  # such as source
    language: str = ""


def heatmap(
    weights: Tensor,
    above: Axis,
    left: Axis,
    heading: str,
    lines: Lines,
    rows: Sequence[str] = ("",),
    columns: Sequence[str] = ("",),
    scale: str = "linear",
    of: str = WEIGHT,
) -> Figure:
    """A figure of the weights (T,S) between S pieces above and T pieces on the left.

    Of weights (R,C,T,S) it is a grid of R rows and C columns with these names, such as layers and
    heads. The colours are of 0 to 1 in every figure, so that two can be compared; where a weight is
    negative they are of -1 to 1, orange below 0. A ``scale`` of sqrt tells weak weights apart,
    ``of`` says what is drawn. ``heading`` (the number of the sentence) and ``lines`` (its texts
    with their roles) stand above it, wrapped. Pieces lose their ▁: those that begin a word are
    black, the others grey. pyplot does not know the figure, so nothing keeps it alive;
    ``pixels(figure)`` draws it.
    """
    drawn = Drawn(weights, above, left, rows, columns, scale, of)
    return drawn.finish(heading, lines)


class Drawn:
    """A heatmap whose parts are drawn and measured; `finish` arranges them.

    Args:
        bar: whether it has a colour bar of its own.
        min_width: inches.
        signed: whether its colours are of -1 to 1; None: where a weight is negative.
        The others are those of :func:`heatmap`.
    """

    def __init__(
        self,
        weights: Tensor,
        above: Axis,
        left: Axis,
        rows: Sequence[str] = ("",),
        columns: Sequence[str] = ("",),
        scale: str = "linear",
        of: str = WEIGHT,
        bar: bool = True,
        min_width: float = MIN_WIDTH,
        signed: bool | None = None,
    ) -> None:
        if weights.dim() == 2:
            weights = weights[None, None]
        assert weights.shape == (len(rows), len(columns), len(left.pieces), len(above.pieces))
        self.counts = weights.shape
        image = side_by_side(weights.float().cpu().numpy())  # one matrix, NaN between the panels
        is_grid = weights.shape[:2] != (1, 1)
        self.cell = grid_cell(image.shape) if is_grid else cell_size(max(image.shape))
        self.figure = Figure(dpi=DPI)
        FigureCanvasAgg(self.figure)
        self.grid = self.figure.add_axes((0, 0, 1, 1))
        signed = has_negative(weights) if signed is None else signed
        colors = self.grid.imshow(image, **colored(scale, signed), aspect="auto")
        size = min(LARGEST, 0.75 * self.cell / POINT)
        draw_labels(
            self.grid,
            between(labels(above.pieces, above.language), len(columns)),
            between(labels(left.pieces, left.language), len(rows)),
            size,
        )
        draw_lines(self.grid, weights.shape)
        self.bar: Axes | None = None
        if bar:
            self.bar = self.figure.add_axes((0, 0, 1, 1))
            name_bar(self.figure.colorbar(colors, cax=self.bar), scale, of)
        self.names = draw_names(self.figure, rows, columns)
        self.roles = draw_roles(self.figure, above.role, left.role)
        self.measure(image.shape, min_width)

    def measure(self, shape: tuple[int, ...], min_width: float) -> None:
        """Measure labels and names as they are drawn. All sizes are in inches."""
        corner = sum(height(role) for role in self.roles)
        self.above = max(*(height(label) for label in self.grid.get_xticklabels()), corner)
        left = max(width(label) for label in (*self.grid.get_yticklabels(), *self.roles))
        self.name_above = max((height(name) + GAP for name in self.names.columns), default=0.0)
        name_left = max((width(name) + GAP for name in self.names.rows), default=0.0)
        self.left = name_left + left + 2 * GAP
        self.grid_height, self.grid_width = (self.cell * num for num in shape)
        right = GAP + (GAP + BAR if self.bar else 0)
        self.width = max(self.left + self.grid_width + right, min_width)

    def title(self, heading: str, lines: Lines) -> Title:
        """Write heading and lines, as wide as the figure is."""
        return Title(self.figure, heading, lines, self.width - 2 * GAP)

    def finish(self, heading: str, lines: Lines) -> Figure:
        """Put everything in its place below heading and lines."""
        title = self.title(heading, lines)
        return self.place(title, title.height, self.name_above + self.above)

    def place(self, title: Title, title_height: float, above: float) -> Figure:
        """Put everything in its place below a title and labels that are given so much room."""
        below = 2 * GAP + self.grid_height + GAP + above
        total_height = below + GAP + title_height + GAP
        self.figure.set_size_inches(self.width, total_height)
        across, up = 1 / self.width, 1 / total_height
        title.place(GAP, GAP)
        bottom = 2 * GAP * up
        self.grid.set_position(
            (self.left * across, bottom, self.grid_width * across, self.grid_height * up)
        )
        if self.bar:
            bar_left = (self.left + self.grid_width + GAP) * across
            self.bar.set_position((bar_left, bottom, GAP * across, self.grid_height * up))
        _, _, num_targets, num_sources = self.counts
        names_up = 2 * GAP + self.grid_height + GAP + self.above + GAP
        for number, name in enumerate(self.names.columns):
            middle = self.left + self.cell * ((num_sources + SPACE) * number + num_sources / 2)
            name.set_position((middle * across, names_up * up))
        for number, name in enumerate(self.names.rows):
            middle = self.cell * ((num_targets + SPACE) * number + num_targets / 2)
            name.set_position((GAP * across, (2 * GAP + self.grid_height - middle) * up))
        corner = 2 * GAP + self.grid_height + GAP / 2
        for role in reversed(self.roles):  # the lowest first
            role.set_position(((self.left - GAP / 2) * across, corner * up))
            corner += height(role)
        return self.figure


def weights_figure(
    weights: np.ndarray,
    above: Axis,
    left: Axis,
    heading: str,
    lines: Lines,
    of: str = "weights",
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Figure:
    """A figure of weights (L,H,T,S): a row per layer, a column per head, then their mean.

    Norms and gradients (``of``) are divided by the sum of their row. ``names`` are those of layers
    and heads; None: their numbers, where they are several.
    """
    shown, columns = with_mean(torch.from_numpy(np.ascontiguousarray(weights)))
    shown = shown if of == "weights" else as_shares(shown)
    rows = row_names(len(weights), 1)
    if names:
        rows, columns = list(names[0]), [*names[1], *columns[len(names[1]) :]]
    return heatmap(shown, above, left, heading, lines, rows, columns, of=name_of(of))


def axes_of(kind: Kind, source: Axis, predicted: Axis, read: Axis) -> tuple[Axis, Axis]:
    """Return the axes above and on the left: keys and queries of a kind of attention.

    The target is on the left as it is predicted, or on both sides as it is read.
    """
    if kind == Kind.SOURCE_TARGET:
        return source, predicted
    both = source if kind == Kind.ENCODER else read
    return both._replace(role=f"{both.role}, keys"), both._replace(role=f"{both.role}, queries")


def name_of(of: str) -> str:
    """Return the name of a colour bar for a measure: weights, norms, gradients."""
    return WEIGHT if of == "weights" else f"{of}, share of the row"


def panel(axes: Axes, weights: np.ndarray, above: Axis, left: Axis) -> Axes:
    """Draw weights (T,S) into axes of the caller."""
    signed = has_negative(torch.from_numpy(weights))
    axes.imshow(weights, **colored("linear", signed), aspect="auto")
    draw_labels(
        axes, labels(above.pieces, above.language), labels(left.pieces, left.language), LARGEST
    )
    draw_lines(axes, (1, 1, *weights.shape))
    return axes


def has_negative(weights: Tensor) -> bool:
    """Tell whether a weight is below 0."""
    return bool((weights < 0).any())


def colored(scale: str, signed: bool) -> dict[str, Any]:
    """Return how weights are coloured: colour map and scale, for imshow and for colour bars."""
    return {"cmap": SIGNED if signed else WEIGHTS, "norm": scaled(scale, signed)}


def scaled(scale: str, signed: bool = False) -> Normalize:
    """Return the colour scale of weights from 0 to 1, ``signed`` of those from -1 to 1."""
    if scale != "sqrt":
        return Normalize(-1 if signed else 0, 1)
    return FuncNorm((signed_root, signed_square), -1, 1) if signed else PowerNorm(0.5, 0, 1)


def signed_root(x: np.ndarray) -> np.ndarray:
    """Return the square roots of |x|, with the signs of x."""
    return np.sign(x) * np.sqrt(np.abs(x))


def signed_square(x: np.ndarray) -> np.ndarray:
    """Return the squares of x, with the signs of x."""
    return np.sign(x) * np.square(x)


def name_bar(bar: Colorbar, scale: str, of: str = WEIGHT) -> None:
    """Give a colour bar its numbers and its name."""
    least = bar.norm.vmin or 0.0
    ticks = [tick for tick in mirrored(TICKS[scale]) if tick >= least]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.set_label(of, fontsize=SMALL, color=SOFT)


def mirrored(ticks: Sequence[float]) -> list[float]:
    """Return numbers from 0 up, and before them those below 0."""
    return [*(-tick for tick in reversed(ticks[1:])), *ticks]


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


def between(found: Sequence[Label], times: int) -> list[Label]:
    """The labels of several panels in a row, SPACE empty ones between them."""
    return [*found, *([Label("", begins=True)] * SPACE + list(found)) * (times - 1)]


def cell_size(num: int) -> float:
    """Inches of a cell: less for more than 45 pieces, readable up to 190, never a huge picture."""
    return min(0.27, max(12 / num, 0.19), 36 / num)


def grid_cell(shape: tuple[int, ...]) -> float:
    """Inches of a cell of a grid: small, because one looks at all of it, and it is drawn often."""
    num = max(shape)
    return min(0.16, max(20 / num, 0.1), 36 / num)


def pixels(figure: Figure) -> np.ndarray:
    """The drawn figure: (height, width, 4) of uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def draw_labels(axes: Axes, above: Sequence[Label], left: Sequence[Label], size: float) -> None:
    """Labels above, all turned or all downwards, and on the left."""
    style = {"fontsize": size, "family": families(), "parse_math": False, "linespacing": 1.0}
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(above)), [downwards(drawable(one.text)) for one in above], **style)
    axes.set_yticks(range(len(left)), [drawable(one.text) for one in left], **style)
    axes.tick_params(length=0, pad=GAP / 2 / POINT)
    for text in axes.get_xticklabels():
        text.set_rotation(0 if upright(text.get_text()) else 90)
    for texts, found in ((axes.get_xticklabels(), above), (axes.get_yticklabels(), left)):
        for text, label in zip(texts, found, strict=True):
            text.set_color(BEGINS if label.begins else CONTINUES)


def downwards(label: str) -> str:
    """A label of Han, kana and Hangul alone has a line per character; others are as they are."""
    return "\n".join(label) if upright(label) else label


def upright(label: str) -> bool:
    """Tell whether a label has only Han, kana and Hangul, which are written downwards, or ␣."""
    letters = label.replace("\n", "").replace(SPACE_ALONE, "")
    return bool(label) and all(unicodedata.east_asian_width(c) in "WF" for c in letters)


def draw_lines(axes: Axes, shape: Sequence[int]) -> None:
    """Thin lines between the cells of every panel: (R,C,T,S)."""
    num_rows, num_columns, num_targets, num_sources = shape
    style = {"color": EDGE, "linewidth": 0.5}
    for row, column in product(range(num_rows), range(num_columns)):
        top, left = row * (num_targets + SPACE) - 0.5, column * (num_sources + SPACE) - 0.5
        ends = top, top + num_targets, left, left + num_sources
        axes.vlines([left + place for place in range(num_sources + 1)], *ends[:2], **style)
        axes.hlines([top + place for place in range(num_targets + 1)], *ends[2:], **style)


def draw_names(figure: Figure, rows: Sequence[str], columns: Sequence[str]) -> Names:
    """The names of rows, turned, and of columns; their places are given later."""
    style = {"fontsize": LARGEST, "family": families(), "parse_math": False}
    return Names(
        [figure.text(0, 0, name, rotation=90, va="center", **style) for name in rows if name],
        [figure.text(0, 0, name, ha="center", va="bottom", **style) for name in columns if name],
    )


def draw_roles(figure: Figure, above: str, left: str) -> list[Text]:
    """The names of the axes, for the corner between them; from top to bottom."""
    style = {"fontsize": SMALL, "family": families(), "parse_math": False, "color": SOFT}
    said = [f"{above} →" if above else "", f"{left} ↓" if left else ""]
    return [figure.text(0, 0, one, ha="right", va="bottom", **style) for one in said if one]


def width(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().width / DPI


def height(text: Text) -> float:
    """Inches the text takes on the canvas."""
    return text.get_window_extent().height / DPI
