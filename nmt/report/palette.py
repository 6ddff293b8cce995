"""The colours of every figure: of variants, of weights, and of marks. The explorer has the same.

Figures use only these colours, so the same thing looks the same in a heatmap, a comparison, a
study, a page of the docs and the browser.
"""

from typing import Any

from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, to_rgb

# Okabe and Ito 2008, told apart by the colour-blind too; yellow, faint on white, comes last.
BLUE, VERMILION, GREEN, PURPLE, BLACK, SKY, ORANGE, YELLOW = VARIANTS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#000000", "#56B4E9", "#E69F00", "#B8A800"),
)
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# Of weights: white is 0, dark blue is 1 (ColorBrewer's Blues); in a dark window light blue is 1.
STEPS = (
    *("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6"),
    *("#4292c6", "#2171b5", "#08519c", "#08306b"),
)
STEPS_IN_THE_DARK = ("#181a1e", "#1c2f47", "#234d7a", "#2f72b3", "#5aa2e0", "#a3d0f7", "#e3f2ff")
WEIGHTS = LinearSegmentedColormap.from_list("weights", STEPS)
SIGNED_STEPS = (VERMILION, "#ffffff", BLUE)  # -1, 0, 1
SIGNED_IN_THE_DARK = ("#ff8c42", STEPS_IN_THE_DARK[0], "#5aa2e0")
SIGNED = LinearSegmentedColormap.from_list("signed", SIGNED_STEPS)

BEGINS, CONTINUES = "#000000", "#868686"  # labels of pieces that begin a word, and of the others
SOFT = "#666666"  # names of roles and axes, captions
EDGE = "#e0e0e0"  # between cells, and the grid of a plot
GOLD = VERMILION  # links that people made


# What matplotlib needs to know for plots to look like these; see matplotlib.rc_context.
PLOTS: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=VARIANTS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "grid.color": EDGE,
}


def style(place: int) -> dict[str, Any]:
    """Return how a variant is drawn, by its row in a table: no two of the first 32 alike."""
    turn = place // len(VARIANTS)
    return {
        "color": VARIANTS[place % len(VARIANTS)],
        "linestyle": LINES[(place + turn) % len(LINES)],
        "marker": MARKERS[(place + turn) % len(MARKERS)],
        "markersize": 5,
        "linewidth": 1.6,
    }


def properties() -> str:
    """Return the colours that the explorer has in common with the figures, as CSS."""
    light = {"scale": triples(STEPS), "signed": triples(SIGNED_STEPS)}
    light |= {"continues": CONTINUES, "gold": GOLD}
    dark = {"scale": triples(STEPS_IN_THE_DARK), "signed": triples(SIGNED_IN_THE_DARK)}
    dark |= {"continues": "#8b8b8b", "gold": "#ff8c42"}
    return (
        f".attention {{ {declared(light)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ .attention {{ {declared(dark)} }} }}\n"
    )


def declared(colours: dict[str, str]) -> str:
    """Return custom properties of CSS."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


def triples(colours: tuple[str, ...]) -> str:
    """Return colours as "r,g,b r,g,b", 0 to 255, for a script."""
    return " ".join(",".join(str(round(255 * part)) for part in to_rgb(one)) for one in colours)
