"""How fast training is beside other programs that compute, with threads that spin or that sleep.

    python scripts/benchmark/busy.py [--loads 0 2 6] [--rounds 3] [ARGUMENT of nmt bench ...]

The threads of a product wait for each other at its end. A thread that spins keeps its core busy
while it waits, and so keeps the thread that it waits for from running (OMP_WAIT_POLICY=active). One
that sleeps leaves the core to it (passive). The other programs are endless loops, each in a session
of its own, as other users have them. All variants take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median

from nmt.terminal.table import markdown

POLICIES = ("active", "passive")
LOOP = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"
BENCH = ("bench.sentences=0", "bench.updates=6", "bench.warmup=2", "device=cpu")


def main() -> None:
    """Measure all variants in turn and print a table."""
    given, arguments = parser().parse_known_args()
    rates: dict[tuple[int, str], list[float]] = {}
    variants = [(load, policy) for load in given.loads for policy in POLICIES]
    for number, (load, policy) in product(range(given.rounds), variants):
        print(f"round {number + 1}, {load} other programs, {policy}", file=sys.stderr)
        with other_programs(load):
            rates.setdefault((load, policy), []).append(training_rate(policy, arguments))
    header = ("other programs", *POLICIES, "passive / active")
    print(markdown(header, [row(load, rates) for load in given.loads]))


def parser() -> argparse.ArgumentParser:
    """What this script understands; the rest is for `nmt bench`."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--loads", nargs="+", type=int, default=[0, 2, 6], help="other programs")
    found.add_argument("--rounds", type=int, default=3)
    return found


@contextmanager
def other_programs(num: int) -> Iterator[None]:
    """Let so many endless loops run inside the block."""
    command = (sys.executable, "-c", LOOP)  # which ends when this process has ended
    loops = [subprocess.Popen(command, start_new_session=True) for _ in range(num)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def training_rate(policy: str, arguments: list[str]) -> float:
    """Return the target pieces per second that `nmt bench` measures under this policy."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = (sys.executable, "-m", "nmt", "bench", *BENCH, f"output={figures}", *arguments)
        environment = {**os.environ, "OMP_WAIT_POLICY": policy}
        subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, check=True, start_new_session=True
        )
        return float(json.loads(figures.read_text())["training"]["tokens_per_s"])


def row(load: int, rates: dict[tuple[int, str], list[float]]) -> tuple[str, ...]:
    """Medians beside this load, with the range of the rounds, and their ratio."""
    found = [rates[load, policy] for policy in POLICIES]
    cells = [f"{median(one):,.0f} ({min(one):,.0f}–{max(one):,.0f})" for one in found]
    active, passive = map(median, found)
    return (str(load), *cells, f"{passive / active:.2f}")


if __name__ == "__main__":
    main()
