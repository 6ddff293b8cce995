"""What a query of the model in sample/ gets out of a memory of four pieces of a source."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib import path as lines
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from statement_page import DOCS, Found, Rows, Statement
from torch import Tensor

from nmt.attention.cosine import Cosine
from nmt.batches.ids import Ids
from nmt.data.encode import Encoder
from nmt.report.palette import BLUE, SIGNED
from nmt.report.palette import VERMILION as RED
from nmt.report.words import MARK
from nmt.run import open_run

SAMPLE = DOCS.parent / "sample"
SOURCE, TARGET = "Gott sprach.", "God said."  # what it makes of it, too
PLACE, WRITTEN = 1, "said"  # where it is in the target, and what this query finds
NUM_KEYS, SHOWN = 4, 3  # pieces of the source, and numbers of each vector that are drawn
GREY = "0.45"
DEEPEST = 1.0  # the number that has the full colour
CELL, HEIGHT = 0.85, 0.72  # where a row is 1 high
KEYS, SCORES, WEIGHTS, VALUES = 0.6, 4.7, 7.9, 11.1  # where these begin, from left to right
MIXTURE = -1.9  # row of the context
STREAM = 0.5  # width of all that flows into it
HEADINGS = (  # left, width, name, what it is
    (KEYS, SHOWN * CELL, "keys", "what is looked through"),
    (SCORES, 1.1, "scores", r"$F(q,k) = g\,q \cdot k\,/\,\Vert q\Vert\,\Vert k\Vert$"),
    (WEIGHTS, 1.3, "weights", "softmax of the scores; sum 1"),
    (VALUES, SHOWN * CELL, "values", "what is given back"),
)
SIZE = (11.4, 5.6)  # inches
BOTTOM, TOP = -2.75, 5.6  # in rows
POINTS = 72 * SIZE[1] / (TOP - BOTTOM)  # of a row
SMALL, USUAL, LARGE = 9, 10, 12  # points
TO_THE_LEFT: Any = {"ha": "right", "va": "center"}


class Look(NamedTuple):
    """One look of a query into a memory, whose keys are its values too."""

    pieces: list[str]  # of the source, one for each key
    query: Tensor  # (K)
    states: Tensor  # (S,K)
    factor: Tensor  # g
    scores: Tensor  # (S)
    weights: Tensor  # (S)
    context: Tensor  # (K)


def look() -> Look:
    """Force the model in sample/ on a sentence, and take the query of one piece of the target."""
    translator = open_run(SAMPLE, "cpu", "fp32")
    ids = Ids.of_table(
        Encoder(translator.source_tokenizer, translator.target_tokenizer)(([SOURCE], [TARGET]))
    )
    source, target = ids.source.padded([0]), ids.target.padded([0])
    decoder: Any = translator.model.decoder
    attend = decoder.attend
    seen: list[tuple[tuple[Tensor, ...], Tensor]] = []
    hook = attend.register_forward_hook(lambda _, given, out: seen.append((given, out)))
    (across,) = translator.attention(source, target)
    hook.remove()
    ((query, keys, states, *_), context) = seen[0]
    score = attend.score
    assert isinstance(score, Cosine)
    with torch.no_grad():
        scores = score(query, keys)
    return Look(
        translator.source_tokenizer.pieces(source[0].tolist()),
        query[0, PLACE],
        states[0],
        score.g.detach(),
        scores[0, PLACE],
        across.weights[0, 0, 0, PLACE],
        context[0, PLACE],
    )


def measure(_: Path) -> Found:
    """Look once, and keep the first numbers of each vector. Nothing is trained."""
    found = look()
    return {
        "pieces": found.pieces,
        "query": found.query[:SHOWN].tolist(),
        "states": found.states[:, :SHOWN].tolist(),
        "factor": found.factor.item(),
        "scores": found.scores.tolist(),
        "weights": found.weights.tolist(),
        "context": found.context[:SHOWN].tolist(),
    }


def rows(found: Found) -> Rows:
    """Each key's score, weight and first numbers, and the mixture's."""
    header = ("", "score", "weight", *(f"number {place + 1}" for place in range(SHOWN)))
    numbers = zip(found["pieces"], found["scores"], found["weights"], found["states"], strict=True)
    table: Rows = [
        (f"`{written(piece)}`", f"{score:.4f}", f"{weight:.4f}", *(f"{x:.4f}" for x in state))
        for piece, score, weight, state in numbers
    ]
    mixture = (f"{x:.4f}" for x in found["context"])
    return [header, *table, ("mixture", "", f"{sum(found['weights']):.4f}", *mixture)]


def written(piece: str) -> str:
    """Write a piece without SentencePiece's space."""
    return piece.removeprefix(MARK)


def picture(found: Look) -> Figure:
    """Draw query, keys, scores, weights, values and mixture, one key per row."""
    figure = Figure(figsize=SIZE, dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-1.7, 15.7), ylim=(BOTTOM, TOP))
    axes.axis("off")
    for left, width, name, what in HEADINGS:
        axes.text(left + width / 2, 4.07, name, fontsize=LARGE, weight="bold", ha="center")
        axes.text(left + width / 2, 3.74, what, fontsize=SMALL, color="0.35", ha="center")
    vector(axes, KEYS, 5.05, "q", found.query)
    axes.text(KEYS + 2.8, 5.05, "query", fontsize=LARGE, weight="bold", va="center")
    axes.text(
        KEYS + 3.85,
        5.05,
        f"what is looked for, to write “{WRITTEN}”",
        fontsize=SMALL,
        color="0.35",
        va="center",
    )
    for left in (KEYS, VALUES):
        shelf(axes, left)
    stacked = MIXTURE - STREAM / 2  # the streams arrive one above the other
    for place in range(NUM_KEYS):
        row = NUM_KEYS - 1 - place
        score, weight = found.scores[place].item(), found.weights[place].item()
        axes.text(KEYS - 0.75, row, written(found.pieces[place]), fontsize=LARGE, **TO_THE_LEFT)
        vector(axes, KEYS, row, f"k_{place + 1}", found.states[place])
        bar(axes, SCORES, row, 0.2 * score, signed(score), BLUE if score > 0 else RED)
        bar(axes, WEIGHTS, row, 1.9 * weight, f"{weight:.2f}", GREY)
        vector(axes, VALUES, row, f"v_{place + 1}", found.states[place])
        flow(axes, row, stacked + STREAM * weight / 2, weight)
        stacked += STREAM * weight
    for left in (SCORES, WEIGHTS):
        axes.plot([left, left], [-0.5, NUM_KEYS - 0.5], color="black", linewidth=0.8)
    vector(axes, VALUES, MIXTURE, "c", found.context)
    axes.text(
        *(VALUES - 0.6, MIXTURE, "context vector"),
        fontsize=LARGE,
        weight="bold",
        **TO_THE_LEFT,
    )
    shares = " + ".join(f"{w:.2f} $v_{n}$" for n, w in enumerate(found.weights.tolist(), 1))
    left = KEYS - 0.25
    axes.text(left, MIXTURE + 0.3, f"the mixture:  $c$ = {shares}", fontsize=LARGE, va="center")
    axes.text(
        left,
        MIXTURE - 0.3,
        f"A database would give $v_{int(found.weights.argmax()) + 1}$ alone. "
        f"Drawn: the first {SHOWN} of {len(found.query)} numbers of each vector.",
        fontsize=USUAL,
        color="0.35",
        va="center",
    )
    return figure


def vector(axes: Axes, left: float, row: float, name: str, numbers: Tensor) -> None:
    """Draw the first numbers of a vector in a row of cells, each coloured by what it is."""
    axes.text(left - 0.15, row, f"${name}$", fontsize=LARGE, ha="right", va="center")
    for place, number in enumerate(numbers[:SHOWN].tolist()):
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
    corner, width = (left - 0.62, -0.85), SHOWN * CELL + 0.74
    axes.add_patch(Rectangle(corner, width, NUM_KEYS + 0.4, facecolor="0.95", zorder=0))
    axes.text(left + SHOWN / 2 * CELL, -0.66, "memory", fontsize=SMALL, ha="center", va="center")


def flow(axes: Axes, row: float, end: float, weight: float) -> None:
    """Draw how much of a value goes into the mixture: the wider, the more."""
    left = VALUES + SHOWN * CELL
    bend = left + 0.6 + 0.45 * row
    points = [(left + 0.14, row), (bend, row), (bend, end), (left + 0.14, end)]
    codes = [lines.Path.MOVETO, *[lines.Path.CURVE4] * 3]
    drawn = PathPatch(lines.Path(points, codes), fill=False, edgecolor=GREY, alpha=0.6)
    drawn.set_linewidth(POINTS * STREAM * weight)
    axes.add_patch(drawn)


STATEMENT = Statement(measure, lambda _: picture(look()), rows)
