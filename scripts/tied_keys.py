"""Keys and values: projected with one matrix, as at first, or with two."""

from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, panels, spread, trained

from nmt.report.palette import VARIANTS

WAYS = {  # run, and model.tie_keys_values
    "W_V and W_K": ("statement", "false"),
    "W_V = W_K": ("tied_keys", "true"),
}


def measure(runs: Path) -> Found:
    """Train a Transformer either way."""
    found: Found = {}
    for label, (name, tied) in WAYS.items():
        each = trained(runs, name, ["experiment=statement", f"model.tie_keys_values={tied}"])
        found[label] = {
            "bleu": [run.result["bleu"] for run in each],
            "dev": [run.last("dev/loss") for run in each],
            "parameters": each[0].result["parameters"],
        }
    return found


def draw(found: Found) -> Figure:
    """Draw BLEU and dev loss, a point for each run."""
    figure, axes = panels(["test BLEU", "dev loss (nats per piece)"])
    for axis, key in zip(axes, ("bleu", "dev"), strict=True):
        for place, one in enumerate(found.values()):
            bar(axis, place, one[key], 0.5, color=VARIANTS[place])
        axis.set_xticks(range(len(found)), list(found))
    return figure


def rows(found: Found) -> Rows:
    """The same in numbers, and the size of both."""
    table: Rows = [("projections", "test BLEU", "dev loss", "parameters")]
    for label, one in found.items():
        results = spread(one["bleu"], 2), spread(one["dev"], 3)
        table.append((label, *results, f"{one['parameters']:,}"))
    return table


STATEMENT = Statement(measure, draw, rows)
