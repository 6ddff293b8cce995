"""Show each statement of the field in a figure: train what it needs, draw it, print its table.

    python scripts/statements.py [memory scaling causal_mask …] [--runs FOLDER]

Runs that are there are not trained again. The figures go to docs/images/statement-<name>.png.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from memory_picture import look, picture
from rich.console import Console

from nmt.attention.luong_dot import LuongDot
from nmt.attention.scaled_dot import ScaledDot
from nmt.data.cache import cache_folder
from nmt.decoding.decode import Decode
from nmt.metrics.bleu import score
from nmt.run import open_run
from nmt.runs.folder import read_config
from nmt.terminal.table import table

Rows = list[tuple[str | int, ...]]  # the header first
IMAGES = Path(__file__).parent.parent / "docs" / "images"
WIDTHS = (64, 128, 256, 512, 1024)


class Run:
    """One training and what its log says."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.folder = folder
        if not (folder / "result.json").is_file():
            given = [f"resume={folder}"] if folder.exists() else [*words, f"hydra.run.dir={folder}"]
            subprocess.run([sys.executable, "-m", "nmt", "train", *given], check=True)
        self.result: dict[str, Any] = json.loads((folder / "result.json").read_text())
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        self.metrics: list[dict[str, float]] = [json.loads(line) for line in lines]

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of a metric."""
        found = [(line["step"], line[name]) for line in self.metrics if name in line]
        steps, values = zip(*found, strict=True)
        return list(steps), list(values)

    def last(self, name: str) -> float:
        """The last value of a metric."""
        return self.curve(name)[1][-1]


def panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side."""
    figure = Figure(figsize=(4 * len(names), 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    found = [figure.add_subplot(1, len(names), place + 1) for place in range(len(names))]
    for axes, name in zip(found, names, strict=True):
        axes.set_title(name, fontsize=10)
        axes.grid(color="0.9")
    return figure, found


def finish(figure: Figure, axes: list[Axes], name: str) -> None:
    """Add legends and write the PNG."""
    for one in axes:
        if one.get_legend_handles_labels()[0]:
            one.legend(fontsize=8)
    figure.savefig(IMAGES / f"statement-{name}.png")


def memory(_: Path) -> Rows:
    """A database that returns a mixture: four keys, one query. Nothing is trained."""
    found = look()
    picture(found).savefig(IMAGES / "statement-memory.png")
    rows: Rows = [
        (f"k{place + 1}", f"{score:.4f}", f"{weight:.4f}", *(f"{x:.4f}" for x in value))
        for place, (score, weight, value) in enumerate(
            zip(found.scores.tolist(), found.weights.tolist(), found.values.tolist(), strict=True)
        )
    ]
    total = f"{found.weights.sum():.4f}"
    rows.append(("mixture", "", total, *(f"{x:.4f}" for x in found.context.tolist())))
    return [("", "score", "weight", *["value"] * len(found.context)), *rows]


def saturation(kind: type[LuongDot] | type[ScaledDot], width: int) -> tuple[float, float, float]:
    """Variance of scores, entropy of softmax and size of its gradient, for random vectors.

    512 queries with 20 keys each, all numbers drawn from N(0,1). The gradient is that of the
    context (of unit values) with respect to the scores, its Frobenius norm.
    """
    torch.manual_seed(0)
    made = kind(width, width)
    query, keys = torch.randn(512, 1, width), torch.randn(512, 20, width)
    scores = made(query, made.prepare(keys))[:, 0]  # (512,20)
    weights = scores.softmax(-1)
    jacobian = torch.diag_embed(weights) - weights[:, :, None] * weights[:, None]
    entropy = torch.special.entr(weights).sum(-1)
    return scores.var().item(), entropy.mean().item(), jacobian.norm(dim=(1, 2)).mean().item()


def scaling(runs: Path) -> Rows:
    """Dot products grow with the width: luong_dot against scaled_dot."""
    names = ("variance of scores", "entropy of softmax (nats)", "gradient of softmax")
    figure, axes = panels([*names, "test BLEU", "gradient norm in training"])
    rows: Rows = []
    for attention, kind in (("luong_dot", LuongDot), ("scaled_dot", ScaledDot)):
        drawn = [saturation(kind, width) for width in WIDTHS]
        for place, of_one in enumerate(zip(*drawn, strict=True)):
            axes[place].plot(WIDTHS, of_one, "o-", label=attention)
        trained = [
            Run(
                runs / f"scaling-{attention}-{width}",
                ["experiment=scaling", f"attention={attention}", f"model.head_width={width}"],
            )
            for width in WIDTHS
        ]
        axes[3].plot(WIDTHS, [run.result["bleu"] for run in trained], "o-", label=attention)
        for run, width in zip(trained, WIDTHS, strict=True):
            if width in (WIDTHS[0], WIDTHS[-1]):
                axes[4].plot(*run.curve("train/grad_norm"), label=f"{attention}, width {width}")
        for width, found, run in zip(WIDTHS, drawn, trained, strict=True):
            bleu, entropy = run.result["bleu"], run.last("attention/entropy")
            numbers = [f"{number:.3g}" for number in found]
            rows.append((attention, width, *numbers, f"{bleu:.2f}", f"{entropy:.2f}"))
    axes[0].set_yscale("log")
    axes[4].set_yscale("log")
    for one in axes[:4]:
        one.set_xscale("log", base=2)
        one.set_xlabel("width")
    axes[4].set_xlabel("step")
    finish(figure, axes, "scaling")
    header = ("attention", "width", *names, "BLEU", "entropy trained")
    return [header, *rows]


def causal_mask(runs: Path) -> Rows:
    """Without the causal mask training loss is wonderful, and translation worthless."""
    figure, axes = panels(["training loss (nats a piece)", "dev BLEU"])
    rows: Rows = []
    for masked in (True, False):
        word, label = str(masked).lower(), "causal mask" if masked else "no causal mask"
        run = Run(
            runs / f"causal_mask-{word}", ["experiment=causal_mask", f"model.causal_mask={word}"]
        )
        axes[0].plot(*run.curve("train/nll"), label=label)
        axes[1].plot(*run.curve("dev/bleu"), "o-", label=label)
        rows.append((label, f"{run.last('train/nll'):.3f}", f"{run.result['bleu']:.2f}"))
    for one in axes:
        one.set_xlabel("step")
    finish(figure, axes, "causal-mask")
    return [("", "training loss", "BLEU"), *rows]


def padding_mask(runs: Path) -> Rows:
    """Without the padding mask a sentence's translation depends on its neighbours."""
    num = 200
    alone = Decode(beam=1, batch_size=1)
    together = replace(alone, batch_size=num, batch_tokens=10**9)
    figure, axes = panels(["translations that change with the batch", "BLEU"])
    rows: Rows = []
    for place, masked in enumerate((True, False)):
        word, label = str(masked).lower(), "padding mask" if masked else "no padding mask"
        run = Run(
            runs / f"padding_mask-{word}", ["experiment=padding_mask", f"model.padding_mask={word}"]
        )
        corpus = instantiate(read_config(run.folder).data)
        sources, references = (side[:num] for side in corpus.lines(cache_folder(None), "dev"))
        translator = open_run(run.folder, "cpu", "fp32")
        texts = [[best[0].text for best in translator(sources, way)] for way in (alone, together)]
        changed = sum(a != b for a, b in zip(*texts, strict=True)) / num
        bleu = [score(text, references, "en")["bleu"] for text in texts]
        axes[0].bar(place, 100 * changed, width=0.5)
        ways = (("alone", -0.15, "tab:blue"), ("in one batch", 0.15, "tab:orange"))
        for (way, shift, color), one in zip(ways, bleu, strict=True):
            axes[1].bar(place + shift, one, 0.3, color=color, label=way if masked else None)
        rows.append((label, f"{changed:.0%}", *(f"{one:.2f}" for one in bleu)))
    axes[0].set_ylabel("%")
    for one in axes:
        one.set_xticks([0, 1], ["padding mask", "no padding mask"])
        one.set_axisbelow(True)
    axes[1].set_ylim(top=1.3 * max(axes[1].get_ylim()))
    finish(figure, axes, "padding-mask")
    return [("", "translations that change", "BLEU alone", "BLEU in one batch"), *rows]


def several(runs: Path, experiment: str, key: str, values: Sequence[int], one: str) -> Rows:
    """The same training with several values of one key."""
    figure, axes = panels(["dev BLEU", "attention entropy (nats)"])
    rows: Rows = []
    for value in values:
        run = Run(runs / f"{experiment}-{value}", [f"experiment={experiment}", f"{key}={value}"])
        label = f"{value} {one}" if value == 1 else f"{value} {one}s"
        axes[0].plot(*run.curve("dev/bleu"), "o-", label=label)
        axes[1].plot(*run.curve("attention/entropy"), "o-", label=label)
        entropy, speed = run.last("attention/entropy"), run.result["tokens_per_s"]
        rows.append((label, f"{run.result['bleu']:.2f}", f"{entropy:.2f}", f"{speed:,.0f}"))
    for panel in axes:
        panel.set_xlabel("step")
    finish(figure, axes, experiment)
    return [("", "BLEU", "entropy", "tokens/s"), *rows]


def heads(runs: Path) -> Rows:
    """One head against many at the same width."""
    return several(runs, "heads", "model.heads", (1, 2, 4, 8, 16), "head")


def hops(runs: Path) -> Rows:
    """Looking once, or again."""
    return several(runs, "hops", "model.hops", (1, 2, 3), "hop")


STATEMENTS: dict[str, Callable[[Path], Rows]] = {
    one.__name__: one for one in (memory, scaling, causal_mask, padding_mask, heads, hops)
}


def main() -> None:
    """Show the statements that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("statements", nargs="*", help=", ".join(STATEMENTS))
    parser.add_argument("--runs", type=Path, default=Path("runs/statements"))
    arguments = parser.parse_args()
    if unknown := set(arguments.statements) - set(STATEMENTS):
        parser.error(f"{', '.join(unknown)}: there are {', '.join(STATEMENTS)}")
    for name in arguments.statements or STATEMENTS:
        header, *rows = STATEMENTS[name](arguments.runs)
        Console(width=120).print(table([str(name) for name in header], rows))


if __name__ == "__main__":
    main()
