"""The same sentence under each choice of an attention: docs/images/attention/GROUP-CHOICE.png.

Where a study has run a choice, the picture is of its trained model. Else it has the scores of a
trained model under the choice, as long as nothing in it is drawn at random before training; and
otherwise there is none. And the picture of the README.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attention_studies import SENTENCE, Looked, all_findings, looked, of_row
from hydra.utils import instantiate
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor

from nmt.attention.attention import record_attention
from nmt.attention.build import build_attention
from nmt.attention.score import Score
from nmt.catalog.choices import Choice, path_of
from nmt.catalog.model_settings import ModelSetting
from nmt.errors import UserError
from nmt.laws.small import usual_beside
from nmt.report.heatmap import draw_labels, pixels, scaled
from nmt.report.labels import labels
from nmt.report.palette import EDGE, WEIGHTS
from nmt.report.several import several
from nmt.study.figures import longest, panel

OF_WEIGHTS = ("attention", "normalize", "window", "sink")  # groups that make them
PLAIN = ("gate=none", "mix=none")  # of other groups: they leave the weights as they are
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images" / "attention"
HEADS = 8  # as many as fixed patterns need; of given scores all are alike
WIDTH = 16
LEAST = 1e-3  # weights below it are rounding in float16
CELL, LEFT, ABOVE = 0.135, 0.75, 0.75  # inches
LABEL = 7.5  # points
DPI = 100
COLOURS = 128
README = FOLDER.parent / "two-attentions.png"
IN_README = ("multi30k_rnn", "bahdanau", "luong_general")  # a study and two of its variants


class Given(Score):
    """Scores that are known before: those of one query, (1,S)."""

    reads_keys = False  # nor the query: a sink cannot ask for the score of its key
    table: Tensor

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.table.expand(*query.shape[:-2], *self.table.shape)


@cache
def scores_of() -> Looked | None:
    """Return the scores that stand for those of a trained model: ln w, less each query's mean.

    They are of the first softmax over an RNN's source-target attention in a ledger. A softmax has
    the same weights whatever is added to the scores of a query; None: no such run has ended.
    """
    kind = f"attention/{SENTENCE}/source-target"
    for found in all_findings():
        name = next((one for one in found.study.variants if one == found.study.baseline), "")
        ended = [row for row in found.rows if row.job.variant == name and kind in row.arrays]
        if ended and ended[0].content["model"].endswith("RNN"):
            one = of_row(max(ended, key=lambda row: row.best_dev), "source-target")
            scores = np.log(np.maximum(one.weights, LEAST))
            return one._replace(weights=scores - scores.mean(1, keepdims=True))
    return None


def under(choice: Choice | ModelSetting) -> Looked | None:
    """Return the weights that a choice makes of given scores; None: chance has a part in them."""
    given = scores_of()
    if given is None or isinstance(choice, ModelSetting):
        return None
    if choice.group not in OF_WEIGHTS and choice.word not in PLAIN:
        return None
    try:
        first, other = (weights_of(choice, torch.from_numpy(given.weights), s) for s in (1, 2))
    except UserError:  # it does not go with given scores
        return None
    return given._replace(weights=first.numpy()) if torch.equal(first, other) else None


def weights_of(choice: Choice, table: Tensor, seed: int) -> Tensor:
    """Return the weights (T,S) of a query and keys drawn at random, the mean over heads."""
    torch.manual_seed(seed)
    make: Any = instantiate(OmegaConf.load(path_of(choice.group, choice.name)))
    parts = {**usual_beside(choice.group, make), "attention": Given, choice.group: make}
    score = parts.pop("attention")
    built = build_attention(WIDTH, WIDTH, WIDTH, score, heads=HEADS, in_turn=True, **parts)
    attend = built.eval()
    given = [part for part in attend.modules() if isinstance(part, Given)]
    num_queries, num_keys = table.shape
    mask = torch.ones(1, 1, num_keys, dtype=torch.bool)
    past = attend.no_history(mask[:, 0])
    memory, query = torch.randn(1, num_keys, WIDTH), torch.randn(1, num_queries, WIDTH)
    with record_attention(attend) as recorded, torch.no_grad():
        keys, values = attend.remember(memory, memory)
        for t, row in enumerate(table):  # one after the other: some count where they have looked
            for one in given:
                one.table = row[None]
            position = torch.full((1, 1), t)
            _, past = attend.look_on(query[:, t : t + 1], keys, values, mask, position, past)
    found = [weights for one in recorded.values() for weights in one]
    if not found:
        raise UserError(f"{choice.word} has no weights")
    return torch.stack([weights.reshape(-1, num_keys).mean(0) for weights in found])


def draw(found: Looked, path: Path) -> None:
    """Write a small picture of weights, from 0, white, to 1."""
    tall, wide = found.weights.shape
    width, height = LEFT + CELL * wide + 0.05, ABOVE + CELL * tall + 0.05
    figure = Figure((width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / width, 0.05 / height, CELL * wide / width, CELL * tall / height))
    axes.imshow(found.weights, cmap=WEIGHTS, norm=scaled("linear"), aspect="auto")
    draw_labels(axes, labels(found.source), labels(found.target), LABEL)
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_color(EDGE)
    image = Image.fromarray(pixels(figure)).convert("RGB").quantize(COLOURS)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", optimize=True)


def draw_for_readme(path: Path) -> None:
    """Write the picture of the README: a study's longest sentence under two of its variants."""
    study, *names = IN_README
    found = next(one for one in all_findings() if one.ledger.study == study)
    number = longest(found)
    assert number is not None, f"{study} has no weights"
    source, target = found.study.sentences[number]
    by_name = {one.name: one for one in found.results}
    panels = [panel(by_name[name], number) for name in names]
    image = several(panels, "", [("source", source), ("reference", target)])
    Image.fromarray(image).convert("RGB").quantize(COLOURS).save(path, "PNG", optimize=True)


def picture_of(choice: Choice | ModelSetting) -> tuple[Looked, bool] | None:
    """Return what is drawn of a choice, and whether it was trained with it; None: nothing."""
    trained = looked(choice)
    if trained is not None:
        return trained, True
    given = under(choice)
    return None if given is None else (given, False)


def file_of(choice: Choice | ModelSetting) -> str:
    """Name the picture of a choice."""
    return f"{choice.group}-{choice.name}.png"
