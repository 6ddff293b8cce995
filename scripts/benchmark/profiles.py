"""Where the time goes: `nmt bench` under torch's profiler, for the shapes of shape.py on this CPU.

    python scripts/benchmark/profiles.py [--shapes tiny small] [--fill docs/performance.md]

Three tables. The first has the parts of an update, and its matrix products beside the fastest that
this machine does: the inverse of their share is how many times as fast training would be if it were
nothing but such products. The others have the operators that training and decoding spend most time
in, each without those that it calls. About two minutes a shape on two cores.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import bench
from measure import precisions
from page import fill
from peers.ours import sizes, training_words
from rich.console import Console
from shape import BATCH_SIZE, BEAM, LENGTH, MAX_TOKENS, PIECES, SHAPES, VOCABULARY

from nmt.bench.training import PARTS
from nmt.terminal.table import Cell, markdown, table

HEADERS = {
    "parts": (
        *("shape", "precision", "target pieces/s", "GFLOP/s", "of large products"),
        *(*PARTS, "GB"),
    ),
    "training operators": ("shape", "precision", "share of the time of training"),
    "decoding operators": ("shape", "precision", "sentences/s", "share of the time of decoding"),
}


def main() -> None:
    """Measure all shapes in all precisions and write the tables."""
    given = arguments()
    rows: dict[str, list[Sequence[Cell]]] = {name: [] for name in HEADERS}
    for shape in given.shapes:
        for precision in precisions():
            found = bench(words(shape, precision, given))
            for name, cells in row(found).items():
                rows[name].append((shape, precision, *cells))
    console = Console(file=sys.stderr, width=120, highlight=False)
    for name, header in HEADERS.items():
        console.print(table(header, rows[name], title=name))
        if given.fill:
            fill(given.fill, name, markdown(header, rows[name]))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--updates", type=int, default=8, help="of each of four passes")
    parser.add_argument("--sentences", type=int, default=128, help="that are translated")
    parser.add_argument("--operators", type=int, default=6, help="that are named")
    parser.add_argument("--fill", type=Path, help="a Markdown file with places for the tables")
    return parser.parse_args()


def words(shape: str, precision: str, given: argparse.Namespace) -> list[str]:
    """Write what is measured as `nmt bench` is told it."""
    return [
        *sizes(SHAPES[shape]),
        *training_words(precision),
        *(f"train.max_tokens={MAX_TOKENS}", f"bench.length={LENGTH}"),
        *(f"bench.vocabulary={VOCABULARY}", f"bench.pieces={PIECES}"),
        *(f"decode.beam={BEAM}", f"decode.batch_size={BATCH_SIZE}"),
        *("bench.warmup=2", f"bench.updates={given.updates}"),
        *(f"bench.sentences={given.sentences}", f"bench.profile={given.operators}"),
    ]


def row(figures: dict[str, Any]) -> dict[str, list[Cell]]:
    """Return the cells of each table but for shape and precision."""
    training, decoding = figures["training"], figures["decoding"]
    seconds = sum(training["parts"].values())
    return {
        "parts": [
            f"{training['tokens_per_s']:,.0f}",
            f"{training['operations_per_s'] / 1e9:.0f}",
            f"{training['share_of_gemm_rate']:.0%}",
            *(f"{training['parts'][part] / seconds:.0%}" for part in PARTS),
            f"{training['peak_memory'] / 1e9:.1f}",
        ],
        "training operators": [named(training["operators"])],
        "decoding operators": [
            f"{decoding['sentences_per_s']:.0f}",
            named(decoding["operators"]),
        ],
    }


def named(operators: Sequence[dict[str, Any]]) -> str:
    """Name operators with their shares."""
    return ", ".join(
        f"{one['name'].removeprefix('aten::').strip('_')} {one['share']:.0%}" for one in operators
    )


if __name__ == "__main__":
    main()
