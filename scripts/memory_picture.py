"""A memory of four keys and values, and what a query gets out of it, drawn from real numbers."""

from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from torch import Tensor

from nmt.attention.attention import Attention, record_attention
from nmt.attention.build import build_attention
from nmt.attention.normalize import Softmax
from nmt.attention.scaled_dot import ScaledDot
from nmt.attention.window import Full
from nmt.report.palette import BLUE, SIGNED
from nmt.report.palette import VERMILION as RED

NUM_KEYS, WIDTH = 4, 3
GREY = "0.45"
DEEPEST = 3.0  # the number that has the full colour
CELL, HEIGHT = 0.85, 0.72  # where a row is 1 high
KEYS, SCORES, WEIGHTS, VALUES = 0.6, 4.7, 7.9, 11.1  # where these begin, from left to right
MIXTURE = -1.9  # row of the context
STREAM = 0.5  # width of all that flows into it
HEADINGS = (  # left, width, name, what it is
    (KEYS, 3 * CELL, "keys", "what is looked through"),
    (SCORES, 1.1, "scores", r"$F(q,k) = q \cdot k\,/\sqrt{3}$"),
    (WEIGHTS, 1.3, "weights", "softmax of the scores; sum 1"),
    (VALUES, 3 * CELL, "values", "what is given back"),
)
SIZE = (10.6, 5.6)  # inches
BOTTOM, TOP = -2.75, 5.6  # in rows
POINTS = 72 * SIZE[1] / (TOP - BOTTOM)  # of a row
SMALL, USUAL, LARGE = 9, 10, 12  # points


class Look(NamedTuple):
    """One look of a query into a memory."""

    query: Tensor  # (K)
    keys: Tensor  # (S,K)
    values: Tensor  # (S,K)
    scores: Tensor  # (S)
    weights: Tensor  # (S)
    context: Tensor  # (K)


def look() -> Look:
    """Attend once with scaled_dot and softmax; seed 0, all numbers drawn from N(0,1)."""
    torch.manual_seed(0)
    attention = build_attention(WIDTH, WIDTH, WIDTH, ScaledDot, Softmax, Full).eval()
    assert isinstance(attention, Attention)
    query, keys, values = (torch.randn(1, num, WIDTH) for num in (1, NUM_KEYS, NUM_KEYS))
    prepared = attention.remember(keys, values)
    with record_attention(attention) as recorded:
        context = attention(query, *prepared, None, torch.zeros(1, dtype=torch.long))
    scores = attention.score(query, prepared[0])
    (weights,) = recorded[""]
    return Look(query[0, 0], keys[0], values[0], scores[0, 0], weights[0, 0], context[0, 0])


def picture(found: Look) -> Figure:
    """Draw query, keys, scores, weights, values and mixture, one key per row."""
    figure = Figure(figsize=SIZE, dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.1, 15.7), ylim=(BOTTOM, TOP))
    axes.axis("off")
    for left, width, name, what in HEADINGS:
        axes.text(left + width / 2, 4.07, name, fontsize=LARGE, weight="bold", ha="center")
        axes.text(left + width / 2, 3.74, what, fontsize=SMALL, color="0.35", ha="center")
    vector(axes, KEYS, 5.05, "q", found.query)
    axes.text(KEYS + 2.8, 5.05, "query", fontsize=LARGE, weight="bold", va="center")
    axes.text(KEYS + 3.85, 5.05, "what is looked for", fontsize=SMALL, color="0.35", va="center")
    for left in (KEYS, VALUES):
        shelf(axes, left)
    stacked = MIXTURE - STREAM / 2  # the streams arrive one above the other
    for place in range(NUM_KEYS):
        row = NUM_KEYS - 1 - place
        score, weight = found.scores[place].item(), found.weights[place].item()
        vector(axes, KEYS, row, f"k_{place + 1}", found.keys[place])
        bar(axes, SCORES, row, 0.45 * score, signed(score), BLUE if score > 0 else RED)
        bar(axes, WEIGHTS, row, 1.9 * weight, f"{weight:.2f}", GREY)
        vector(axes, VALUES, row, f"v_{place + 1}", found.values[place])
        flow(axes, row, stacked + STREAM * weight / 2, weight)
        stacked += STREAM * weight
    for left in (SCORES, WEIGHTS):
        axes.plot([left, left], [-0.5, NUM_KEYS - 0.5], color="black", linewidth=0.8)
    vector(axes, VALUES, MIXTURE, "c", found.context)
    axes.text(
        *(VALUES - 0.6, MIXTURE, "context vector"),
        fontsize=LARGE,
        weight="bold",
        ha="right",
        va="center",
    )
    shares = " + ".join(f"{w:.2f} $v_{n}$" for n, w in enumerate(found.weights.tolist(), 1))
    left = KEYS - 0.25
    axes.text(left, MIXTURE + 0.3, f"the mixture:  $c$ = {shares}", fontsize=LARGE, va="center")
    axes.text(
        left,
        MIXTURE - 0.3,
        f"A database would give $v_{int(found.weights.argmax()) + 1}$ alone.",
        fontsize=USUAL,
        color="0.35",
        va="center",
    )
    return figure


def vector(axes: Axes, left: float, row: float, name: str, numbers: Tensor) -> None:
    """Draw the numbers of a vector in a row of cells, each coloured by what it is."""
    axes.text(left - 0.15, row, f"${name}$", fontsize=LARGE, ha="right", va="center")
    for place, number in enumerate(numbers.tolist()):
        corner = (left + CELL * place, row - HEIGHT / 2)
        color = SIGNED((number / DEEPEST + 1) / 2)
        axes.add_patch(
            Rectangle(corner, CELL, HEIGHT, facecolor=color, edgecolor="0.75", linewidth=0.6)
        )
        middle = left + CELL * (place + 0.5)
        axes.text(middle, row, signed(number), fontsize=SMALL, ha="center", va="center")


def bar(axes: Axes, left: float, row: float, length: float, label: str, color: str) -> None:
    """Draw a number as a bar from a line at the left, to the other side where it is negative."""
    axes.barh(row, length, HEIGHT / 1.6, left, color=color)
    axes.text(left + max(0.0, length) + 0.12, row, label, fontsize=USUAL, va="center")


def signed(number: float) -> str:
    """Write a number with its sign, a minus as long as a plus."""
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")


def shelf(axes: Axes, left: float) -> None:
    """Draw what keys and values lie on: both are the memory."""
    corner, width = (left - 0.62, -0.85), 3 * CELL + 0.74
    axes.add_patch(Rectangle(corner, width, NUM_KEYS + 0.4, facecolor="0.95", zorder=0))
    axes.text(left + 1.5 * CELL, -0.66, "memory", fontsize=SMALL, ha="center", va="center")


def flow(axes: Axes, row: float, end: float, weight: float) -> None:
    """Draw how much of a value goes into the mixture: the wider, the more."""
    left = VALUES + 3 * CELL
    bend = left + 0.6 + 0.45 * row
    points = [(left + 0.14, row), (bend, row), (bend, end), (left + 0.14, end)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    drawn = PathPatch(Path(points, codes), fill=False, edgecolor=GREY, alpha=0.6)
    drawn.set_linewidth(POINTS * STREAM * weight)
    axes.add_patch(drawn)
