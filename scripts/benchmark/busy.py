"""How fast training is beside other programs that compute, with threads that spin or that sleep.

    python scripts/benchmark/busy.py [--loads 0 2 6 --rounds 3] [ARGUMENT of nmt bench ...]

The threads of a product wait for each other at its end. A thread that spins keeps its core busy
while it waits, and so keeps the thread that it waits for from running. GNU's OpenMP library, which
torch uses on Linux, spins for some milliseconds. By default nmt has it spin for a tenth of one to a
half. With OMP_WAIT_POLICY=passive a thread sleeps at once, and waking it takes time. One thread
waits for no other. The other programs are endless loops, each in a session of its own, as other
users have them. All variants take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from nmt.terminal.table import markdown

VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "spins for milliseconds": {"GOMP_SPINCOUNT": "300000"},  # what OpenMP does if it is not told
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
DECIDING = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT")  # not those of the user
LOOP = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"
BENCH = ("bench.sentences=0", "bench.updates=6", "bench.warmup=2", "device=cpu")


def main() -> None:
    """Measure all variants in turn and print a table."""
    given, arguments = parser().parse_known_args()
    rates: dict[tuple[int, str], list[float]] = {}
    turns = [(load, name) for load in given.loads for name in VARIANTS] * given.rounds
    for load, name in turns:
        with other_programs(load):
            rate = training_rate(VARIANTS[name], arguments)
        rates.setdefault((load, name), []).append(rate)
        print(f"{load} other programs, {name}: {rate:,.0f}", file=sys.stderr)
    rows = [(str(load), *(cell(rates[load, name]) for name in VARIANTS)) for load in given.loads]
    print(markdown(("other programs", *VARIANTS), rows))


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


def training_rate(variant: dict[str, str], arguments: list[str]) -> float:
    """Return the target pieces per second that `nmt bench` measures with these variables."""
    others = {name: value for name, value in os.environ.items() if name not in DECIDING}
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = (sys.executable, "-m", "nmt", "bench", *BENCH, f"output={figures}", *arguments)
        subprocess.run(
            command,
            env=others | variant,
            stdout=subprocess.DEVNULL,
            check=True,
            start_new_session=True,
        )
        return float(json.loads(figures.read_text())["training"]["tokens_per_s"])


def cell(rates: list[float]) -> str:
    """The median of the rounds, and their range."""
    return f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"


if __name__ == "__main__":
    main()
