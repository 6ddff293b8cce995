"""A picture of what each head contributes: layers × heads, one panel per kind of attention."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from nmt.models.seq2seq import Kind
from nmt.report.heatmap import DPI, pixels
from nmt.report.palette import SIGNED

CELL = 0.62  # inches
EDGE = 0.9  # inches around a panel


def draw_heads(lost: Mapping[Kind, np.ndarray], measure: str, path: Path) -> None:
    """Draw what is lost without each head: (L,H) of each kind, NaN for a missing head.

    Red is a loss, blue a gain; white is 0 in every panel. ``measure`` names the numbers.
    """
    largest = max(float(np.nanmax(np.abs(one))) for one in lost.values()) or 1.0
    layers = max(len(one) for one in lost.values())
    widths = [one.shape[1] * CELL + EDGE for one in lost.values()]
    figure = Figure((max(sum(widths), 4.5), layers * CELL + 1.3), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(lost), squeeze=False, width_ratios=widths)[0]
    for axes, (kind, values) in zip(panels, lost.items(), strict=True):
        axes.imshow(values, cmap=SIGNED.reversed(), vmin=-largest, vmax=largest)
        axes.set_title(kind.value, fontsize=10)
        axes.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
        axes.set_yticks(range(len(values)), range(1, len(values) + 1))
        axes.set_xlabel("head")
        axes.set_ylabel("layer")
        axes.tick_params(length=0)
        for (layer, head), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = abs(value) > 0.6 * largest
                color = "white" if dark else "black"
                style = {"ha": "center", "va": "center", "fontsize": 8, "color": color}
                axes.text(head, layer, f"{value:.2g}", **style)
    figure.suptitle(f"{measure} lost without each head", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(figure)).save(path)
