"""A task for which an attention has to look twice: copy the word that follows the word named first.

python scripts/hopping.py FOLDER            # writes train, dev and test, a source and a target each
"""

import random
import sys
from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, panels, trained

from nmt.batches.ids import Ids
from nmt.data.encode import Encoder
from nmt.models.seq2seq import Kind
from nmt.report.palette import VARIANTS, WEIGHTS
from nmt.run import Translator, open_run

LETTERS = "abcdefghij"
LISTED = 5  # words of a sentence beside the one that is named
SIZES = {"train": 20_000, "dev": 500, "test": 1_000}
HOPS = (1, 2, 3)
EXAMPLE, ANSWER = "? b : e b d a c", "d"


def sentence(drawn: random.Random) -> tuple[str, str]:
    """Return a source, "? b : a b c", and what follows the word behind the question mark, "c"."""
    listed = drawn.sample(LETTERS, LISTED)
    place = drawn.randrange(LISTED - 1)
    return f"? {listed[place]} : {' '.join(listed)}", listed[place + 1]


def write_task(folder: Path) -> None:
    """Write train.source, train.target, dev.source … into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = random.Random(0)
    for split, size in SIZES.items():
        sides = zip(*(sentence(drawn) for _ in range(size)), strict=True)
        for side, lines in zip(("source", "target"), sides, strict=True):
            (folder / f"{split}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def words_of_task(folder: Path) -> list[str]:
    """Return what is typed to train on the task in a folder."""
    return [
        f"data.{split}=[{folder / split}.source,{folder / split}.target]"
        for split in ("train", "dev", "test")
    ]


def measure(runs: Path) -> Found:
    """Train every number of hops with every seed; the share of right answers, and the loss."""
    write_task(runs / "hopping-task")
    given = ["experiment=hopping", *words_of_task((runs / "hopping-task").absolute())]
    found: Found = {}
    for hops in HOPS:
        each = trained(runs, f"hopping-{hops}", [*given, f"cross.hops={hops}"])
        found[str(hops)] = {
            "right": [share_of_right(run.folder) for run in each],
            "loss": [run.curve("train/nll") for run in each],
            "parameters": each[0].result["parameters"],
            "looks": looks(open_run(each[0].folder, "cpu", "fp32")),
        }
    return found


def looks(translator: Translator) -> list[list[float]]:
    """Return where each hop looks in EXAMPLE, before the answer is written: (hops,words)."""
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode(([EXAMPLE], [ANSWER])))
    maps = translator.attention(ids.source.padded([0]), ids.target.padded([0]))
    (across,) = (one.weights[0] for one in maps if one.kind == Kind.SOURCE_TARGET)  # (L,H,T,S)
    return across[:, 0, 0, :-1].float().tolist()  # the last place is that of </s>


def share_of_right(run: Path) -> float:
    """Return how many of a run's answers to the test are right."""
    answers, right = (
        (run / name).read_text(encoding="utf-8").splitlines()
        for name in ("hypotheses.txt", "references.txt")
    )
    return sum(a == b for a, b in zip(answers, right, strict=True)) / len(right)


def draw(found: Found) -> Figure:
    """Draw the loss in training, a line for each seed, and the share of right answers."""
    names = ["loss in training (nats per piece)", "right answers", f"looks at “{EXAMPLE}”"]
    figure, axes = panels(names)
    for place, (hops, one) in enumerate(found.items()):
        color = VARIANTS[place]
        for number, (steps, losses) in enumerate(one["loss"]):
            label = named(hops) if number == 0 else None
            axes[0].plot(steps, losses, color=color, label=label)
        shares = [100 * share for share in one["right"]]
        axes[1].plot([place] * len(shares), shares, "o", markersize=9, color=color)
    axes[0].set_xlabel("update")
    axes[0].set_ylim(0, 2)
    axes[0].legend(fontsize=8)
    axes[1].axhline(100 / (LISTED - 1), color="0.4", linestyle="--", linewidth=1)
    axes[1].set_xticks(range(len(found)), [named(hops) for hops in found])
    axes[1].set_ylabel("%")
    axes[1].set_xlim(-0.5, len(found) - 0.5)
    axes[1].set_ylim(0, 105)
    hops = [f"{named(hops)}: {n}" for hops, one in found.items() for n in numbers(one["looks"])]
    axes[2].imshow(
        [row for one in found.values() for row in one["looks"]], cmap=WEIGHTS, vmin=0, vmax=1
    )
    axes[2].grid(visible=False)
    axes[2].set_xticks(range(len(EXAMPLE.split())), EXAMPLE.split())
    axes[2].set_yticks(range(len(hops)), hops, fontsize=8)
    return figure


def numbers(looked: list[list[float]]) -> list[str]:
    """Name the looks of a model, from the first on."""
    return [f"look {place}" for place in range(1, len(looked) + 1)]


def named(hops: str) -> str:
    """Write how many hops there are."""
    return f"{hops} hop" if hops == "1" else f"{hops} hops"


def rows(found: Found) -> Rows:
    """Right answers and loss at the end of each seed, and what the second look costs."""
    table: Rows = [("hops", "right answers by seed, %", "training loss at the end", "parameters")]
    for hops, one in found.items():
        right = ", ".join(f"{100 * share:.1f}" for share in one["right"])
        losses = ", ".join(f"{losses[-1]:.3f}" for _, losses in one["loss"])
        table.append((hops, right, losses, f"{one['parameters']:,}"))
    return table


STATEMENT = Statement(measure, draw, rows)

if __name__ == "__main__":
    write_task(Path(sys.argv[1]))
