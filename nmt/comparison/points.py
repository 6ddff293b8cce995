"""The values of a plot, at their places in the image, shown when one points at them."""

from typing import NamedTuple

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from nmt.comparison.plots import Plot, crowded

MOST = 2_000  # of a plot


class Point(NamedTuple):
    """A value: its place in percent of the image, from the left and the top, and what it says."""

    left: float
    top: float
    text: str


def points(plot: Plot) -> list[Point]:
    """Return the values of a plot, at most MOST."""
    figure = plot.figure
    with crowded():
        figure.draw_without_rendering()  # lays it out
    axes = figure.axes[0]
    to_figure = axes.transData + figure.transFigure.inverted()
    handles = zip(*axes.get_legend_handles_labels(), strict=True)
    names = {look(line_of(handle)): " ".join(name.split()) for handle, name in handles}
    ticks: dict[float, str] = {}
    if isinstance(axes.xaxis.get_major_locator(), FixedLocator):  # names as ticks
        labels = (" ".join(text.get_text().split()) for text in axes.get_xticklabels())
        ticks = dict(zip(axes.get_xticks(), labels, strict=True))
    found: list[Point] = []
    for line in axes.lines:
        name = names.get(look(line))
        for x, y in np.asarray(line.get_xydata()).tolist() if name else ():
            left, up = to_figure.transform((x, y))
            at = ticks[min(ticks, key=lambda tick: abs(tick - x))] if ticks else f"{x:,.4g}"
            text = f"{name}: {y:.4g} at {at} ({axes.get_xlabel()})"
            found.append(Point(round(100 * left, 2), round(100 * (1 - up), 2), text))
    return found[:: 1 + len(found) // MOST]


def line_of(handle: object) -> Line2D:
    """Return the line of an entry of the legend."""
    found = handle[0] if isinstance(handle, ErrorbarContainer) else handle
    assert isinstance(found, Line2D)
    return found


def look(line: Line2D) -> tuple[object, ...]:
    """Return what distinguishes the line of one variant from those of the others."""
    return line.get_color(), line.get_marker()
