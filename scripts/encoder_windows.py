"""Self-attention is a convolution that reaches far: an encoder with windows of several widths."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, dev_text, panels, spread, trained
from torch import Tensor

from nmt.batches.ids import Ids
from nmt.data.corpus import Lines
from nmt.data.encode import Encoder
from nmt.evaluation.likelihood import batches_of
from nmt.models.seq2seq import Kind
from nmt.report.palette import VARIANTS
from nmt.run import Translator, open_run

WINDOWS = ("1", "2", "4", "all")  # pieces on each side
VERSES = 64  # of dev
MAX_TOKENS = 1024  # of a batch


def measure(runs: Path) -> Found:
    """Train with each window; BLEU, and how far the heads of each layer look."""
    found: Found = {}
    for window in WINDOWS:
        words = ["experiment=encoder_windows"]
        if window != "all":
            words += ["encoder.window=local_m", f"encoder.window.radius={window}"]
        each = trained(runs, f"window-{window}", words)
        found[window] = {
            "bleu": [run.result["bleu"] for run in each],
            "dev_loss": [run.last("dev/loss") for run in each],
            "distances": [
                distances(open_run(run.folder, "cpu", "fp32"), dev_text(run.folder, VERSES))
                for run in each
            ],
        }
    return found


def distances(translator: Translator, lines: Lines) -> list[list[float]]:
    """Return the mean distance in pieces that each head of each encoder layer looks at.

    The mean over all pieces that look, of Σ weight · |place looked at − own place|.
    """
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode((lines.source, lines.target)))
    sums, pieces = torch.zeros(()), 0
    for batch in batches_of(ids, MAX_TOKENS):
        (own,) = (
            one.weights
            for one in translator.attention(batch.source, batch.target)
            if one.kind == Kind.ENCODER
        )
        real = batch.source != 0  # (B,S)
        sums = sums + (looked(own) * real[:, None, None]).sum((0, 3))  # (L,H)
        pieces += int(real.sum())
    return (sums / pieces).tolist()


def looked(weights: Tensor) -> Tensor:
    """Return the mean distance that each query looks at: (...,S,S) -> (...,S)."""
    places = torch.arange(weights.size(-1))
    return (weights * (places - places[:, None]).abs()).sum(-1)


def by_layer(one: Found) -> list[list[float]]:
    """Return the distances of the heads of all runs, layer by layer."""
    return [
        [far for heads in layer for far in heads] for layer in zip(*one["distances"], strict=True)
    ]


def draw(found: Found) -> Figure:
    """Draw BLEU, and the distance of each head by layer."""
    figure, axes = panels(["test BLEU", "distance that heads look at (pieces)"])
    for place, (window, one) in enumerate(found.items()):
        bar(axes[0], place, one["bleu"], 0.6, color=VARIANTS[place])
        for layer, heads in enumerate(by_layer(one), start=1):
            label = f"window {window}" if layer == 1 else None
            x = [layer + 0.15 * (place - 1.5)] * len(heads)
            axes[1].plot(x, heads, "o", color=VARIANTS[place], label=label)
    axes[0].set_xticks(range(len(found)), list(found))
    axes[0].set_xlabel("pieces on each side that an encoder piece sees")
    axes[1].set_xticks(range(1, len(by_layer(found["all"])) + 1))
    axes[1].set_xlabel("layer of the encoder")
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes[1].legend(fontsize=8)
    return figure


def rows(found: Found) -> Rows:
    """BLEU, loss, and the mean distance by layer with the nearest and the farthest head."""
    layers = len(by_layer(next(iter(found.values()))))
    names = [f"layer {layer}" for layer in range(1, layers + 1)]
    table: Rows = [("window", "test BLEU", "dev loss", *names)]
    for window, one in found.items():
        looks = [
            f"{sum(heads) / len(heads):.2f} ({min(heads):.2f}–{max(heads):.2f})"
            for heads in by_layer(one)
        ]
        table.append((window, spread(one["bleu"], 2), spread(one["dev_loss"], 3), *looks))
    return table


STATEMENT = Statement(measure, draw, rows)
