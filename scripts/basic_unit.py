"""A layer of LSTM with attention against a Transformer, from two studies' ledgers."""

from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, in_words, panels, rows_of, spread

from nmt.report.palette import BLUE, VARIANTS, VERMILION

MODELS = {
    "RNN, `bahdanau`": ("multi30k_rnn", "bahdanau"),
    "Transformer, `scaled_dot`": ("multi30k_transformer", "scaled_dot"),
}
TESTS = (("test_2016_flickr", -0.2, BLUE), ("test_2017_flickr", 0.2, VERMILION))


def measure(_: Path) -> Found:
    """Return what the ledgers have of each run of both models."""
    found: Found = {}
    for model, (study, variant) in MODELS.items():
        contents = [row.content for row in rows_of(study, variant)]
        found[model] = {
            "parameters": contents[0]["parameters"],
            "pieces": [content["pieces"] for content in contents],
            "minutes": [content["minutes"] for content in contents],
            "devices": [content["machine"]["device"] for content in contents],
            "precision": sorted({content["machine"]["precision"] for content in contents}),
            "bleu": {
                name: [content["tests"][name]["bleu"] for content in contents]
                for name, _, _ in TESTS
            },
        }
    return found


def draw(found: Found) -> Figure:
    """Draw BLEU, a point for each run, and the number of parameters."""
    figure, axes = panels(["BLEU", "parameters, millions"], 4.6)
    for place, one in enumerate(found.values()):
        for name, shift, color in TESTS:
            bleu = one["bleu"][name]
            label = name if place == 0 else None
            bar(axes[0], place + shift, bleu, 0.36, color=color, label=label)
        bar(axes[1], place, [one["parameters"] / 1e6], 0.5, color=VARIANTS[place])
    for axis in axes:
        axis.set_xticks(range(len(found)), [model.replace("`", "") for model in found])
    axes[0].set_ylim(top=1.3 * max(axes[0].get_ylim()))
    axes[0].legend(fontsize=8)
    return figure


def rows(found: Found) -> Rows:
    """The same in numbers, with the minutes of each run and where it ran."""
    table: Rows = [
        (
            *("model", "runs", "parameters", "target pieces"),
            *(f"`{name}`" for name, _, _ in TESTS),
            *("precision", "minutes of training"),
        )
    ]
    for model, one in found.items():
        bleu = (spread(one["bleu"][name], 2) for name, _, _ in TESTS)
        numbers = len(one["pieces"]), f"{one['parameters']:,}", f"{min(one['pieces']):,}"
        table.append((model, *numbers, *bleu, ", ".join(one["precision"]), minutes(one)))
    return table


def minutes(one: Found) -> str:
    """Write how long each run took, by machine."""
    by_device: dict[str, list[float]] = {}
    for device, taken in zip(one["devices"], one["minutes"], strict=True):
        by_device.setdefault(device, []).append(taken)
    return "; ".join(
        f"{', '.join(f'{taken:.0f}' for taken in sorted(each))} ({in_words(device)})"
        for device, each in sorted(by_device.items())
    )


STATEMENT = Statement(measure, draw, rows)
