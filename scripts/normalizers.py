"""One sentence under several normalizers: the scores of a trained model, turned into weights."""

from pathlib import Path

import numpy as np
from attention_pictures import scores_of, under
from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, panels

from nmt.catalog.choices import find
from nmt.report.heatmap import draw_labels, scaled
from nmt.report.labels import labels
from nmt.report.palette import WEIGHTS

NORMALIZERS = ("softmax", "sparsemax", "entmax15", "hard")
LABEL = 7.0  # points


def measure(_: Path) -> Found:
    """Turn the scores of a decoder of the study into weights, under each normalizer."""
    given = scores_of()
    assert given is not None, "no RNN of a ledger has weights"
    found: Found = {"source": given.source, "target": given.target, "weights": {}}
    for name in NORMALIZERS:
        looked = under(find("normalize", name))
        assert looked is not None, name
        found["weights"][name] = looked.weights.astype(float).round(3).tolist()
    return found


def draw(found: Found) -> Figure:
    """Draw the weights, a row for each piece of the translation."""
    figure, axes = panels(list(found["weights"]), 4.0)
    figure.set_size_inches(8.4, 8.4)
    for axis, weights in zip(axes, found["weights"].values(), strict=True):
        axis.grid(visible=False)
        axis.imshow(weights, cmap=WEIGHTS, norm=scaled("linear"), aspect="auto")
        draw_labels(axis, labels(found["source"]), labels(found["target"]), LABEL)
        axis.tick_params(length=0)
    return figure


def rows(found: Found) -> Rows:
    """How large the largest weight of a row is, and how many weights are exactly 0."""
    table: Rows = [("normalize", "largest weight, mean", "weights that are 0", "keys with weight")]
    for name, weights in found["weights"].items():
        array = np.array(weights)
        largest, zeros = array.max(1).mean(), (array == 0).mean()
        keys = (array > 0).sum(1).mean()
        table.append((f"`{name}`", f"{largest:.2f}", f"{100 * zeros:.0f} %", f"{keys:.1f}"))
    return table


STATEMENT = Statement(measure, draw, rows)
