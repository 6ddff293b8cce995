"""The memory may be the encoder's outputs instead of its hidden states."""

from pathlib import Path

from hopping import share_of_right, words_of_task, write_task
from matplotlib.figure import Figure
from statement_page import Found, Rows, Run, Statement, panels

from nmt.report.palette import VARIANTS

MEMORIES = {"hidden states": ("states", "false"), "outputs": ("outputs", "true")}


def measure(runs: Path) -> Found:
    """Train with either memory."""
    write_task(runs / "hopping-task")
    given = ["experiment=output_memory", *words_of_task((runs / "hopping-task").absolute())]
    found: Found = {}
    for memory, (name, outputs) in MEMORIES.items():
        run = Run(runs / f"memory-{name}", [*given, f"model.output_memory={outputs}"])
        found[memory] = {
            "right": share_of_right(run.folder),
            "dev_loss": run.last("dev/loss"),
            "entropy": run.last("attention/entropy"),
            "parameters": run.result["parameters"],
            "training": run.curve("train/nll"),
        }
    return found


def draw(found: Found) -> Figure:
    """Draw the loss in training, and the share of right answers."""
    figure, axes = panels(["loss in training (nats per piece)", "right answers"])
    for place, (memory, one) in enumerate(found.items()):
        axes[0].plot(*one["training"], color=VARIANTS[place], label=memory)
        axes[1].bar(place, 100 * one["right"], 0.6, color=VARIANTS[place])
    axes[0].set_xlabel("update")
    axes[0].legend(fontsize=8, title="memory", title_fontsize=8)
    axes[1].set_xticks(range(len(found)), list(found))
    axes[1].set_ylabel("%")
    return figure


def rows(found: Found) -> Rows:
    """Right answers, loss, entropy of the weights and size of both."""
    table: Rows = [("memory", "right answers, %", "dev loss", "entropy (nats)", "parameters")]
    for memory, one in found.items():
        numbers = f"{100 * one['right']:.1f}", f"{one['dev_loss']:.3f}", f"{one['entropy']:.2f}"
        table.append((memory, *numbers, f"{one['parameters']:,}"))
    return table


STATEMENT = Statement(measure, draw, rows)
