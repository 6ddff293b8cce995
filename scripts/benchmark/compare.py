"""Compare the speed of this project with that of other toolkits, on this machine's CPU.

    python scripts/benchmark/compare.py [training] [decoding] [--shapes tiny small] [--rounds 3]

Trains and translates with random weights and random sentences, the same for all: shapes and
budgets are in shape.py. One process a measurement, all variants in turn, `--rounds` times; medians
count, and the spread between the rounds of a variant is the machine's noise. A toolkit that is not
installed is named with what to install; they live in one environment with this project.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from measure import TASKS, precisions
from page import fill
from peer import PEERS, Peer
from rich.console import Console
from rounds import Rounds, Variant
from shape import SHAPES

from nmt.runs.files import write_json
from nmt.terminal.table import markdown, table

MEASURE = Path(__file__).with_name("measure.py")
UNITS = {"training": "target pieces/s", "decoding": "sentences/s"}


@dataclass
class Settings:
    """How much is measured."""

    threads: int
    updates: int
    sentences: int
    rounds: int


def main() -> None:
    """Measure all variants in turns and write what was found."""
    given = arguments()
    settings = Settings(given.threads, given.updates, given.sentences, given.rounds)
    console = Console(file=sys.stderr, width=120, highlight=False)
    there = [peer for peer in PEERS if peer.version and peer.name in given.toolkits]
    for peer in PEERS:
        if not peer.version:
            console.print(f"{peer.name} is not installed: {peer.install}", markup=False)
    found = {task: Rounds() for task in given.tasks}
    for number in range(settings.rounds):
        for task, rounds in found.items():
            for variant in variants(there, task, given.shapes):
                console.print(f"round {number + 1}, {task}: {variant}", markup=False)
                rounds.add(variant, measured(variant, task, settings))
    for task, rounds in found.items():
        header = rounds.header(UNITS[task])
        console.print(table(header, rounds.rows(), title=task))
        if given.fill:
            fill(given.fill, task, markdown(header, rounds.rows()) + f"\n\n{rounds.noise()}")
    if given.output:
        figures = {task: rounds.figures() for task, rounds in found.items()}
        versions = {peer.name: peer.version for peer in there} | {"torch": torch.__version__}
        write_json(given.output, {**vars(settings), "versions": versions, **figures})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", help=f"{' or '.join(TASKS)}; else both")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    names = [peer.name for peer in PEERS]
    parser.add_argument("--toolkits", nargs="+", choices=names, default=names)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--updates", type=int, default=8, help="of each measurement")
    parser.add_argument("--sentences", type=int, default=256, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a file for all figures, JSON")
    parser.add_argument("--fill", type=Path, help="a Markdown file with places for the tables")
    given = parser.parse_args()
    given.tasks = given.tasks or list(TASKS)
    unknown = set(given.tasks) - set(TASKS)
    if unknown:
        parser.error(f"no task {unknown.pop()}; there are {', '.join(TASKS)}")
    return given


def variants(peers: list[Peer], task: str, shapes: list[str]) -> Iterator[Variant]:
    """All that take turns, shape by shape."""
    computed = precisions()
    for shape in shapes:
        for peer in peers:
            for precision in peer.precisions:
                if shape in peer.shapes(task) and precision in computed:
                    yield Variant(shape, peer.name, precision)


def measured(variant: Variant, task: str, settings: Settings) -> float | None:
    """Measure in a new process; None where that fails, with its last line to standard error."""
    amounts = {"training": settings.updates, "decoding": settings.sentences}
    words = (variant.toolkit, task, variant.shape, variant.precision)
    numbers = (str(settings.threads), str(amounts[task]))
    command = [sys.executable, str(MEASURE), *words, *numbers]
    threads = {"OMP_NUM_THREADS": str(settings.threads)}
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads})
    if answer.returncode:
        print(f"{variant} failed: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(answer.stdout.split()[-1])


if __name__ == "__main__":
    main()
