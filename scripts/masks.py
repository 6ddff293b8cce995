"""What the causal mask and the padding mask are for: training without them."""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, dev_text, panels, spread, trained

from nmt.decoding.decode import Decode
from nmt.metrics.bleu import score
from nmt.report.palette import BLUE, VERMILION
from nmt.run import open_run

VERSES = 200  # of dev, translated with and without company
LOSSES = (("training", -0.15, BLUE), ("dev", 0.15, VERMILION))
WAYS = (("alone", -0.15, BLUE), ("in one batch", 0.15, VERMILION))


def measure_causal(runs: Path) -> Found:
    """Train with the causal mask and without it."""
    found: Found = {}
    for name, masked, label in (
        ("statement", "true", "causal mask"),
        ("no_causal_mask", "false", "no causal mask"),
    ):
        each = trained(runs, name, ["experiment=statement", f"model.causal_mask={masked}"])
        found[label] = {
            "training": [run.last("train/nll") for run in each],
            "dev": [run.last("dev/loss") for run in each],
            "bleu": [run.result["bleu"] for run in each],
        }
    return found


def draw_causal(found: Found) -> Figure:
    """Draw both losses at the end, and BLEU."""
    figure, axes = panels(["loss at the end (nats per piece)", "test BLEU"])
    for place, one in enumerate(found.values()):
        for side, shift, color in LOSSES:
            label = side if place == 0 else None
            bar(axes[0], place + shift, one[side], 0.3, color=color, label=label)
        bar(axes[1], place, one["bleu"], 0.5)
    for axis in axes:
        axis.set_xticks([0, 1], list(found))
    axes[0].legend(fontsize=8)
    return figure


def causal_rows(found: Found) -> Rows:
    """The losses and BLEU at the end."""
    table: Rows = [("", "final training loss (nats per piece)", "dev loss", "test BLEU")]
    for label, one in found.items():
        losses = (spread(one[side], 3) for side, _, _ in LOSSES)
        table.append((label, *losses, spread(one["bleu"], 2)))
    return table


def measure_padding(runs: Path) -> Found:
    """Train with the padding mask and without it, and translate alone and in one batch."""
    alone = Decode(beam=1, batch_size=1)
    ways = alone, replace(alone, batch_size=VERSES, batch_tokens=10**7)
    found: Found = {}
    for name, masked, label in (
        ("statement", "true", "padding mask"),
        ("no_padding_mask", "false", "no padding mask"),
    ):
        words = ["experiment=statement", f"model.padding_mask={masked}"]
        one: dict[str, list[float]] = {"changed": [], "alone": [], "in one batch": []}
        for run in trained(runs, name, words):
            sources, references, _ = dev_text(run.folder, VERSES)
            translator = open_run(run.folder, "cpu", "fp32")
            texts = [[best[0].text for best in translator(sources, way)] for way in ways]
            one["changed"].append(100 * sum(a != b for a, b in zip(*texts, strict=True)) / VERSES)
            for text, (way, _, _) in zip(texts, WAYS, strict=True):
                one[way].append(score(text, references, "en")["bleu"])
        found[label] = one
    return found


def draw_padding(found: Found) -> Figure:
    """Draw how many translations depend on the batch, and BLEU both ways."""
    figure, axes = panels(["translations that change with the batch", "BLEU"])
    for place, one in enumerate(found.values()):
        bar(axes[0], place, one["changed"], 0.5)
        for way, shift, color in WAYS:
            label = way if place == 0 else None
            bar(axes[1], place + shift, one[way], 0.3, color=color, label=label)
    axes[0].set_ylabel("%")
    for axis in axes:
        axis.set_xticks([0, 1], list(found))
    axes[1].set_ylim(top=1.3 * max(axes[1].get_ylim()))
    axes[1].legend(fontsize=8)
    return figure


def padding_rows(found: Found) -> Rows:
    """The same in numbers."""
    table: Rows = [
        ("", "translations that change with the batch", "BLEU alone", "BLEU in one batch")
    ]
    for label, one in found.items():
        bleu = (spread(one[way], 2) for way, _, _ in WAYS)
        table.append((label, f"{spread(one['changed'], 0)} %", *bleu))
    return table


CAUSAL = Statement(measure_causal, draw_causal, causal_rows)
PADDING = Statement(measure_padding, draw_padding, padding_rows)
