"""One sentence under several attentions: its text once, one panel per attention, one colour bar."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from torch import Tensor

from nmt.report.heatmap import DPI, GAP, Axis, Drawn, colored, has_negative, name_bar, pixels
from nmt.report.title import Lines, Title

MAX_WIDTH = 1650  # pixels of a row of panels
SPACE = 24  # pixels between panels
LEAST = 3.2  # inches of a panel
BAR = 2.2  # inches of the colour bar, which lies below the text
BAR_WITH_NAME = 0.55


class Panel(NamedTuple):
    """One attention over the sentence."""

    name: str
    weights: Tensor  # (T,S)
    above: Axis
    left: Axis
    text: str = ""  # what is on the left, where it is not the same in all panels


def several(panels: Sequence[Panel], heading: str, lines: Lines) -> np.ndarray:
    """Return a picture (height, width, 4) of uint8: panels in rows, below heading and lines."""
    signed = any(has_negative(panel.weights) for panel in panels)  # one bar is for all
    rows: list[list[tuple[Panel, Drawn]]] = [[]]
    for panel in panels:
        one = drawn(panel, signed=signed)
        used = sum(round(other.width * DPI) + SPACE for _, other in rows[-1])
        if rows[-1] and used + one.width * DPI > MAX_WIDTH:
            rows.append([])
        rows[-1].append((panel, one))
    strips = [beside(on_one_line(row)) for row in rows if row]
    width = max([int(5 * DPI), *(strip.shape[1] for strip in strips)])
    parts = [head(heading, lines, width / DPI, bool(panels), signed), *strips]
    return np.concatenate([widened(part, width) for part in parts])


def alone(panel: Panel) -> np.ndarray:
    """Return a panel without its name and text, which stand beside it."""
    return pixels(drawn(panel, 0.0).finish("", []))


def drawn(panel: Panel, min_width: float = LEAST, signed: bool | None = None) -> Drawn:
    """Return the parts of a panel."""
    sides = panel.above, panel.left
    return Drawn(panel.weights, *sides, bar=False, min_width=min_width, signed=signed)


def on_one_line(row: Sequence[tuple[Panel, Drawn]]) -> list[np.ndarray]:
    """Draw the panels of a row, their matrices beginning on a line."""
    titles = [one.title(panel.name, [("", panel.text)]) for panel, one in row]
    title, above = max(one.height for one in titles), max(one.above for _, one in row)
    return [pixels(one.place(own, title, above)) for own, (_, one) in zip(titles, row, strict=True)]


def head(heading: str, lines: Lines, inches: float, bar: bool, signed: bool) -> np.ndarray:
    """Draw heading and lines, and below them the colour bar."""
    figure = Figure(figsize=(inches, 1), dpi=DPI)
    FigureCanvasAgg(figure)
    title = Title(figure, heading, lines, inches - 2 * GAP)
    tall = title.height + 2 * GAP + (BAR_WITH_NAME + GAP if bar else 0)
    figure.set_size_inches(inches, tall)
    title.place(GAP, GAP)
    if bar:
        axes = figure.add_axes((GAP / inches, 0.4 / tall, BAR / inches, GAP / tall))
        colors = ScalarMappable(**colored("linear", signed))
        name_bar(figure.colorbar(colors, cax=axes, orientation="horizontal"), "linear")
    return pixels(figure)


def beside(images: Sequence[np.ndarray]) -> np.ndarray:
    """Put images in a row, their tops on a line, white where one is smaller."""
    tallest = max(image.shape[0] for image in images)
    padded = [
        np.pad(image, ((0, tallest - len(image)), (0, SPACE), (0, 0)), constant_values=255)
        for image in images
    ]
    return np.concatenate(padded, axis=1)


def widened(image: np.ndarray, width: int) -> np.ndarray:
    """Return an image as wide as the page."""
    missing = max(0, width - image.shape[1])
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=255)[:, :width]
