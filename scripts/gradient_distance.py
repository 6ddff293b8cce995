"""How far back into the source the gradient of one target piece reaches."""

from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from statement_page import (
    SEEDS,
    Found,
    Rows,
    Statement,
    dev_text,
    panels,
    share_heights,
    spread,
    trained,
)
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.batches.ids import Ids
from nmt.data.corpus import Lines
from nmt.data.encode import Encoder
from nmt.evaluation.likelihood import batches_of
from nmt.models.contributions import source_gradients
from nmt.models.seq2seq import Seq2Seq
from nmt.report.palette import VARIANTS
from nmt.run import Translator, build_model, open_run
from nmt.runs.folder import read_config

ATTENTIONS = ("none", "luong_general")
EXPERIMENT = ("experiment=gradient_distance",)
VERSES = 40  # of dev
MAX_TOKENS = 1024  # of a batch
WIDTH = 5  # distances that one number stands for
FARTHEST = 60
NEAR, FAR = "6", "36"  # the groups that are compared


def measure(runs: Path) -> Found:
    """Measure each attention with new weights, and with those of a training's end."""
    found: Found = {}
    for name in ATTENTIONS:
        start, end = f"{name}, start", f"{name}, end"
        found |= {start: [], end: []}
        each = trained(runs, f"gradient-{name}", [*EXPERIMENT, f"attention={name}"])
        for run, seed in zip(each, SEEDS, strict=True):
            read = open_run(run.folder, "cpu", "fp32")
            lines = dev_text(run.folder, VERSES)
            torch.manual_seed(seed)
            cfg = read_config(run.folder)
            model = build_model(cfg, read.source_tokenizer, read.target_tokenizer)
            found[start].append(by_distance(replace(read, model=model), lines))
            found[end].append(by_distance(read, lines))
    return found


def by_distance(translator: Translator, lines: Lines) -> dict[str, float]:
    """Return the geometric mean of all sizes at each distance: 1 to 5 under "1", 6 to 10 under "6".

    Places where the gradient is 0, in float32, are left out.
    """
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode((lines.source, lines.target)))
    groups: dict[int, list[Tensor]] = {}
    translator.model.eval()
    for batch in batches_of(ids, MAX_TOKENS):
        far = distances(batch)
        size = sizes(translator.model, batch)
        for group in range(FARTHEST // WIDTH):
            here = (far > WIDTH * group) & (far <= WIDTH * (group + 1)) & (size > 0)
            groups.setdefault(group, []).append(size[here].log())
    means = {str(WIDTH * group + 1): torch.cat(groups[group]) for group in groups}
    return {name: logs.mean().exp().item() for name, logs in means.items() if len(logs)}


def sizes(model: Seq2Seq, batch: Batch) -> Tensor:
    """Return ‖∂ ln P(y_t) / ∂x_s‖ of source embeddings x and target pieces y: (B,T,S)."""
    return source_gradients(
        model, batch.source, batch.target, lambda _, gradient: gradient.norm(dim=-1)
    )


def distances(batch: Batch) -> Tensor:
    """Return how many recurrent steps the encoder takes from source piece s to its end: (B,T,S).

    It reads forwards alone: 1 for the last piece, S for the first, 0 for padding. Where the fixed
    vector is the last state, every position of the target reads it directly, so the place in the
    target adds nothing.
    """
    source, target = batch.source != 0, batch.target[:, 1:] != 0
    to_end = source.sum(1, keepdim=True) - torch.arange(source.size(1))  # (B,S)
    return to_end[:, None] * (source[:, None] & target[:, :, None])


def draw(found: Found) -> Figure:
    """Draw the size over the distance, at the start and at the end."""
    figure, axes = panels(["start of training", "end of training"])
    names = dict.fromkeys(name.partition(", ")[0] for name in found)
    for axis, moment in zip(axes, ("start", "end"), strict=True):
        for name, color in zip(names, VARIANTS, strict=False):
            for number, curve in enumerate(found[f"{name}, {moment}"]):
                places = [int(place) + WIDTH // 2 for place in curve]
                label = name if number == 0 else None
                axis.plot(places, list(curve.values()), "o-", ms=3, color=color, label=label)
        axis.set_yscale("log")
        axis.set_xlabel("recurrent steps from the source piece to the end")
        axis.legend(fontsize=8)
    share_heights(axes)
    axes[0].set_ylabel("size of the gradient")
    return figure


def rows(found: Found) -> Rows:
    """What is left at 36 to 40 steps of the size at 6 to 10, and what each step leaves."""
    table: Rows = [("", "at 6 to 10 steps", "at 36 to 40 steps", "left", "left per step")]
    for name, curves in found.items():
        near, far = ([curve[place] for curve in curves] for place in (NEAR, FAR))
        left = [b / a for a, b in zip(near, far, strict=True)]
        per_step = [share ** (1 / (int(FAR) - int(NEAR))) for share in left]
        means = [f"{sum(values) / len(values):.2g}" for values in (near, far)]
        share = f"{100 * sum(left) / len(left):.1f} %"
        table.append((name, *means, share, spread(per_step, 3)))
    return table


STATEMENT = Statement(measure, draw, rows)
