"""Self-attention is a convolution that reaches far: an encoder with windows of several widths."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from statement_page import Found, Rows, Run, Statement, dev_text, panels
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
        run = Run(runs / f"window-{window}", words)
        lines = dev_text(run.folder, VERSES)
        found[window] = {
            "bleu": run.result["bleu"],
            "dev_loss": run.last("dev/loss"),
            "distances": distances(open_run(run.folder, "cpu", "fp32"), lines),
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


def draw(found: Found) -> Figure:
    """Draw BLEU, and the distance of each head by layer."""
    figure, axes = panels(["test BLEU", "distance that heads look at (pieces)"])
    for place, (window, one) in enumerate(found.items()):
        axes[0].bar(place, one["bleu"], width=0.6, color=VARIANTS[place])
        for layer, heads in enumerate(one["distances"], start=1):
            label = f"window {window}" if layer == 1 else None
            x = [layer + 0.15 * (place - 1.5)] * len(heads)
            axes[1].plot(x, heads, "o", color=VARIANTS[place], label=label)
    axes[0].set_xticks(range(len(found)), list(found))
    axes[0].set_xlabel("pieces on each side that an encoder piece sees")
    axes[1].set_xticks(range(1, len(found["all"]["distances"]) + 1))
    axes[1].set_xlabel("layer of the encoder")
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes[1].legend(fontsize=8)
    return figure


def rows(found: Found) -> Rows:
    """BLEU, loss, and the mean distance by layer with the nearest and the farthest head."""
    layers = len(next(iter(found.values()))["distances"])
    names = [f"layer {layer}" for layer in range(1, layers + 1)]
    table: Rows = [("window", "test BLEU", "dev loss", *names)]
    for window, one in found.items():
        looks = [
            f"{sum(heads) / len(heads):.2f} ({min(heads):.2f}–{max(heads):.2f})"
            for heads in one["distances"]
        ]
        table.append((window, f"{one['bleu']:.2f}", f"{one['dev_loss']:.3f}", *looks))
    return table


STATEMENT = Statement(measure, draw, rows)
