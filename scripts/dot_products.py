"""Dot products grow with the width: random vectors, and trained models of one head."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from statement_page import Found, Rows, Run, Statement, panels

from nmt.attention.cosine import Cosine
from nmt.attention.luong_dot import LuongDot
from nmt.attention.scaled_dot import ScaledDot
from nmt.attention.score import Score
from nmt.report.palette import VARIANTS

WIDTHS = (64, 128, 256, 512, 1024)
SCORES: dict[str, Callable[[int, int], Score]] = {"luong_dot": LuongDot, "scaled_dot": ScaledDot}
COSINES: dict[str, Callable[[int, int], Score]] = {  # with random vectors alone
    f"cosine, g = {g:g}": partial(Cosine, scale=g) for g in (1.0, 10.0)
}
RANDOM = ("variance of scores", "entropy of softmax (nats)", "gradient of softmax")


def saturation(kind: Callable[[int, int], Score], width: int) -> tuple[float, float, float]:
    """Variance of scores, entropy of softmax and size of its gradient, for random vectors.

    512 queries with 20 keys each, all numbers drawn from N(0,1). The gradient is that of the
    context (of unit values) with respect to the scores, its Frobenius norm.
    """
    torch.manual_seed(0)
    made = kind(width, width)
    query, keys = torch.randn(512, 1, width), torch.randn(512, 20, width)
    scores = made(query, made.prepare(keys))[:, 0].detach()  # (512,20)
    weights = scores.softmax(-1)
    jacobian = torch.diag_embed(weights) - weights[:, :, None] * weights[:, None]
    entropy = torch.special.entr(weights).sum(-1)
    return scores.var().item(), entropy.mean().item(), jacobian.norm(dim=(1, 2)).mean().item()


def measure(runs: Path) -> Found:
    """Train a head of each width with both scores."""
    found: Found = {}
    for attention in SCORES:
        for width in WIDTHS:
            words = ["experiment=scaling", f"attention={attention}", f"model.head_width={width}"]
            run = Run(runs / f"scaling-{attention}-{width}", words)
            _, norms = run.curve("train/grad_norm")
            found[f"{attention} {width}"] = {
                "bleu": run.result["bleu"],
                "dev_loss": run.last("dev/loss"),
                "entropy": run.last("attention/entropy_encoder"),
                "grad_norm": sum(norms) / len(norms),
            }
    return found


def draw(found: Found) -> Figure:
    """Draw what random vectors do, and the BLEU of what was trained."""
    figure, axes = panels([*RANDOM, "test BLEU, trained"])
    for (attention, kind), color in zip((SCORES | COSINES).items(), VARIANTS, strict=False):
        drawn = [saturation(kind, width) for width in WIDTHS]
        for axis, values in zip(axes, zip(*drawn, strict=True), strict=False):
            axis.plot(WIDTHS, values, "o-", label=attention, color=color)
        if attention in SCORES:
            bleu = [found[f"{attention} {width}"]["bleu"] for width in WIDTHS]
            axes[-1].plot(WIDTHS, bleu, "o-", color=color)
    axes[0].set_yscale("log")
    axes[1].legend(fontsize=8, loc="center")
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xlabel("width")
    return figure


def rows(found: Found) -> Rows:
    """Both scores side by side, a row for each width."""
    names = {
        "bleu": ("BLEU", 2),
        "dev_loss": ("dev loss", 2),
        "entropy": ("encoder's entropy", 2),
        "grad_norm": ("mean gradient norm", 2),
    }
    heads = [
        head for name, _ in names.values() for head in (f"{name}, `luong_dot`", "`scaled_dot`")
    ]
    table: Rows = [("width", *heads)]
    for width in WIDTHS:
        values = [
            f"{found[f'{attention} {width}'][key]:.{digits}f}"
            for key, (_, digits) in names.items()
            for attention in SCORES
        ]
        table.append((f"{width:,}", *values))
    return table


STATEMENT = Statement(measure, draw, rows)
