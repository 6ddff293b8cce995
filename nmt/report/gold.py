"""Alignments drawn over attention: gold links as boxes, the links that were found as dots."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from nmt.links.bitext import Bitext
from nmt.links.links import Gold, Links
from nmt.report.heatmap import Axis, heatmap, pixels
from nmt.report.palette import BLACK, GOLD

LEGEND = "dots: the links of alignments.txt"
GOLD_LEGEND = "boxes: gold links, dashed where possible only"


def draw_alignments(
    folder: Path,
    text: Bitext,
    weights: Sequence[Tensor],
    links: Sequence[Links],
    num: int,
    scale: str = "linear",
) -> None:
    """Draw the first ``num`` lines: word weights (T,S) with the links that were found, and gold.

    ``scale`` is that of the colours, as in :func:`nmt.report.heatmap.heatmap`. Writes
    ``sentence-<number>.png``; a line with an empty side has none.
    """
    legend = f"{LEGEND}; {GOLD_LEGEND}" if text.gold else LEGEND
    for n in range(min(num, len(links))):
        source, target = text.source.words[n], text.target.words[n]
        if not source or not target:
            continue
        lines = [("source", text.source.lines[n]), ("target", text.target.lines[n]), ("", legend)]
        above = Axis(source, "source", text.source.language)
        left = Axis(target, "target", text.target.language)
        figure = heatmap(weights[n], above, left, f"sentence {n + 1}", lines, scale=scale)
        if text.gold:
            draw_gold(figure, text.gold[n])
        draw_links(figure, links[n])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(figure)).save(folder / f"sentence-{n + 1}.png")


def draw_gold(figure: Figure, gold: Gold) -> None:
    """Draw a box around the cell of each gold link, dashed where it is only possible.

    The figure is a :func:`nmt.report.heatmap.heatmap` of one panel, source words above.
    """
    axes = figure.axes[0]
    for i, j in sorted(gold.possible):
        style = "-" if (i, j) in gold.sure else (0, (2, 1.5))
        axes.add_patch(
            Rectangle(
                (i - 0.42, j - 0.42),
                *(0.84, 0.84),
                fill=False,
                edgecolor=GOLD,
                linewidth=1.4,
                linestyle=style,
            )
        )


def draw_links(figure: Figure, links: Links) -> None:
    """Draw a dot in the cell of each link that was found."""
    axes = figure.axes[0]
    axes.set_autoscale_on(False)  # the cells stay where they are
    across, down = [i for i, _ in sorted(links)], [j for _, j in sorted(links)]
    axes.scatter(across, down, s=11, color=BLACK, edgecolors="white", linewidths=0.7, zorder=3)
