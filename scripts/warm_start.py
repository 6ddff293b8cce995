"""Does an encoder favour the attention it was trained with? Every attention on every encoder.

    python scripts/warm_start.py data.dir=FOLDER [KEY=VALUE ...]

First one model is trained with each attention. Then each attention reads each of these encoders,
which stays as it is (``init_parts`` and ``model.freeze``); all else begins with new weights. The
runs are in runs/warm_start; the same command again trains those that are missing. KEY=VALUE are
those of ``nmt train``, for all runs. The table is printed as markdown.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from statement_page import Run, spread

from nmt.terminal.table import markdown

ATTENTIONS = ("none", "bahdanau", "luong_general", "scaled_dot")
SEEDS = (1, 2, 3)
RUNS = Path("runs/warm_start")
ENCODER = "[encoder,source_embedding]"

Scores = Mapping[tuple[str, str], Sequence[float]]  # by the encoder's attention and its reader's


def main() -> None:
    """Train what is missing, and print two tables: BLEU on the test set, and loss on dev."""
    results = crossed(RUNS, sys.argv[1:])
    for name, place, digits in (("BLEU, test", "bleu", 2), ("loss, dev", "tested_weights", 3)):
        scores = {
            pair: [one[place]["loss"] if digits == 3 else one[place] for one in found]
            for pair, found in results.items()
        }
        print(f"{name}:\n\n{markdown(*table(scores, digits))}\n")


def crossed(runs: Path, words: Sequence[str]) -> dict[tuple[str, str], list[dict]]:
    """Return the result.json of every attention on every encoder, one per seed."""
    found: dict[tuple[str, str], list[dict]] = {}
    for seed in SEEDS:
        usual = ["experiment=warm_start", f"seed={seed}", *words]
        for first in ATTENTIONS:
            own = Run(runs / f"{first}-{seed}", [*usual, f"attention={first}"]).folder
            taken = [f"init={own}", f"init_parts={ENCODER}", f"model.freeze={ENCODER}"]
            for reader in ATTENTIONS:
                folder = runs / f"{first}-{seed}-{reader}"
                run = Run(folder, [*usual, f"attention={reader}", *taken])
                found.setdefault((first, reader), []).append(run.result)
    return found


def table(scores: Scores, digits: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows: an encoder per row, an attention per column.

    In the last row: the score on its own encoder less the mean of those on the other encoders.
    """
    names = list(dict.fromkeys(reader for _, reader in scores))
    rows = [
        (first, *(spread(scores[first, reader], digits) for reader in names)) for first in names
    ]
    gains = []
    for reader in names:
        others = [scores[first, reader] for first in names if first != reader]
        seeds = zip(scores[reader, reader], *others, strict=True)
        gains.append(spread([own - sum(rest) / len(rest) for own, *rest in seeds], digits))
    header = ("encoder trained with", *(f"read by {name}" for name in names))
    return header, [*rows, ("own − others", *gains)]


if __name__ == "__main__":
    main()
