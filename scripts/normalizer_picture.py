"""Eight scores of one query, and the weights that each normalizer makes of them.

python scripts/normalizer_picture.py            # writes docs/images/normalizers.png
"""

import sys
from pathlib import Path

import torch
from hydra.utils import instantiate
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from torch import Tensor

from nmt.catalog.choices import groups, path_of
from nmt.report.palette import WEIGHTS
from nmt.terminal.console import tell

PATH = Path(__file__).resolve().parent.parent / "docs" / "images" / "normalizers.png"
SCORES = (0.4, 1.1, 3.0, 2.2, 0.0, -0.6, 1.6, -1.5)  # of eight keys, from left to right
# Where the default shows little of it.
SHOWN = {"top_k": {"k": 3}, "entmax": {"alpha": 1.3}}
SHOWN |= {f"constrained_{name}": {"fertility": 0.25} for name in ("softmax", "sparsemax")}
OF_QUERIES = ("temperature",)  # not of the scores alone
DARKEST = 0.8  # the weight that has the full colour
SIZE = (8.6, 5.4)  # inches


def main() -> None:
    """Draw them all."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    names = [name for name in groups()["normalize"] if name not in OF_QUERIES]
    names.sort(key=lambda name: name != "softmax")  # it comes first
    rows = {name: weights(name) for name in names}
    picture(rows).savefig(path, dpi=150)
    tell(f"wrote {path}", "normalizer_picture.py")


def weights(name: str) -> Tensor:
    """Return the weights (S) of the scores under a normalizer, with its default settings."""
    config = OmegaConf.load(path_of("normalize", name))
    config.update(SHOWN.get(name, {}))
    scores = torch.tensor(SCORES)[None, None]  # (1,1,S)
    return instantiate(config)().eval()(scores).detach()[0, 0]


def picture(rows: dict[str, Tensor]) -> Figure:
    """Draw the scores as bars and below them the weights, a row for each normalizer."""
    figure = Figure(SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=(1, 4))
    above.bar(range(len(SCORES)), SCORES, color="0.55", width=0.7)
    above.axhline(0, color="0.2", linewidth=0.8)
    above.set_xlim(-0.5, len(SCORES) - 0.5)
    above.set_xticks([])
    above.set_ylabel("score")
    above.spines[["top", "right", "bottom"]].set_visible(False)
    table = torch.stack(list(rows.values()))
    below.imshow(table, cmap=WEIGHTS, vmin=0.0, vmax=DARKEST, aspect="auto")
    for row, found in enumerate(table.tolist()):
        for place, weight in enumerate(found):
            if weight:  # an exact 0 stays empty
                colour = "white" if weight > DARKEST / 2 else "black"
                number = f"{weight:.2f}" if weight >= 0.005 else "<0.01"
                below.text(place, row, number, ha="center", va="center", color=colour)
    below.set_yticks(range(len(rows)), [labelled(name, one) for name, one in rows.items()])
    below.set_xticks(range(len(SCORES)), [f"key {number}" for number in range(1, len(SCORES) + 1)])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    return figure


def labelled(name: str, found: Tensor) -> str:
    """Return the name of a row, with its settings and the sum of its weights where it is not 1."""
    settings = "".join(f", {key}={value}" for key, value in SHOWN.get(name, {}).items())
    total = float(found.sum())
    return f"{name}{settings}" + (f"  (sum {total:.2f})" if abs(total - 1) > 1e-3 else "")


if __name__ == "__main__":
    main()
