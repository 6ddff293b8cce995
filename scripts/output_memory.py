"""The memory may be the encoder's outputs instead of its hidden states."""

from pathlib import Path

from hopping import share_of_right, words_of_task, write_task
from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, panels, spread, trained

from nmt.report.palette import VARIANTS

MEMORIES = {"hidden states": ("states", "false"), "outputs": ("outputs", "true")}


def measure(runs: Path) -> Found:
    """Train with either memory."""
    write_task(runs / "hopping-task")
    given = ["experiment=output_memory", *words_of_task((runs / "hopping-task").absolute())]
    found: Found = {}
    for memory, (name, outputs) in MEMORIES.items():
        each = trained(runs, f"memory-{name}", [*given, f"model.output_memory={outputs}"])
        found[memory] = {
            "right": [100 * share_of_right(run.folder) for run in each],
            "dev_loss": [run.last("dev/loss") for run in each],
            "entropy": [run.last("attention/entropy") for run in each],
            "parameters": each[0].result["parameters"],
            "training": [run.curve("train/nll") for run in each],
        }
    return found


def draw(found: Found) -> Figure:
    """Draw the loss in training, and the share of right answers."""
    figure, axes = panels(["loss in training (nats per piece)", "right answers"])
    for place, (memory, one) in enumerate(found.items()):
        for number, curve in enumerate(one["training"]):
            label = memory if number == 0 else None
            axes[0].plot(*curve, color=VARIANTS[place], label=label)
        bar(axes[1], place, one["right"], 0.6, color=VARIANTS[place])
    axes[0].set_xlabel("update")
    axes[0].legend(fontsize=8, title="memory", title_fontsize=8)
    axes[1].set_xticks(range(len(found)), list(found))
    axes[1].set_ylabel("%")
    return figure


def rows(found: Found) -> Rows:
    """Right answers, loss, entropy of the weights and size of both."""
    table: Rows = [("memory", "right answers, %", "dev loss", "entropy (nats)", "parameters")]
    for memory, one in found.items():
        numbers = spread(one["right"], 1), spread(one["dev_loss"], 3), spread(one["entropy"], 2)
        table.append((memory, *numbers, f"{one['parameters']:,}"))
    return table


STATEMENT = Statement(measure, draw, rows)
