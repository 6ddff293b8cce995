"""Change the code in small ways and count how many changes the tests notice.

    python scripts/mutation.py                      # 60 changes, drawn with seed 0
    python scripts/mutation.py --number 200 --seed 3 --rooms attention models

Each change (a mutant) is one that Cosmic Ray makes: another operator, another number, a condition
turned round, a loop that runs over nothing. A place in the code is drawn first and then one of the
changes that are possible there, so that no kind of change outweighs the others. A mutant is tested
by the files of tests/ that import the changed file, then by those that import another file of its
room (nmt/attention, nmt/models …) and run no whole commands. It is killed when a test fails. The
score is a lower bound: the other tests, which take minutes, would kill some of the rest.

    pip install 'nmt-attention[mutation]'           # or, in a clone: pip install cosmic-ray
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast  # pyright: ignore[reportMissingImports]
from cosmic_ray.mutating import MutationVisitor  # pyright: ignore[reportMissingImports]
from cosmic_ray.plugins import get_operator, operator_names  # pyright: ignore[reportMissingImports]

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("attention", "models", "training", "decoding")
# Only a GPU or several processes run these, which the tests of a plain machine cannot reach.
LEFT_OUT = ("graphs.py", "shards.py", "together.py", "compiled.py")
SLOWEST = 1200.0  # seconds for one mutant
COPIED = (
    *("nmt", "configs", "tests", "scripts", "docs", "data"),
    *("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "CITATION.cff", "Makefile"),
)


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    operator: str
    occurrence: int
    definition: str


def main() -> None:
    """Draw mutants, test each and print what became of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=60, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="+", default=ROOMS, help="folders of nmt/")
    parser.add_argument("--out", type=Path, help="a file for one line of JSON per mutant")
    args = parser.parse_args()
    mutants = draw(args.rooms, args.number, args.seed)
    killed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            one = ROOT / name
            (shutil.copytree if one.is_dir() else shutil.copy)(one, copy / name)
        for number, mutant in enumerate(mutants, 1):
            found = tested(mutant, copy)
            killed += found["outcome"] != "survived"
            print(f"{number}/{len(mutants)}", *found.values(), sep="  ", flush=True)
            if args.out:
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
    print(f"{killed} of {len(mutants)} killed: {killed / max(len(mutants), 1):.0%}")


def draw(rooms: list[str], number: int, seed: int) -> list[Mutant]:
    """Draw places of the rooms, as many of each room, and one change for each place."""
    drawn = random.Random(seed)
    chosen = []
    for place, room in enumerate(rooms):
        places: dict[tuple[str, int, int], list[Mutant]] = {}
        for file in sorted((ROOT / "nmt" / room).glob("*.py")):
            if file.name not in LEFT_OUT:
                for column, mutant in mutants_of(file):
                    places.setdefault((mutant.file, mutant.line, column), []).append(mutant)
        share = number // len(rooms) + (place < number % len(rooms))
        chosen += [drawn.choice(places[at]) for at in drawn.sample(sorted(places), share)]
    return chosen


def mutants_of(file: Path) -> Iterator[tuple[int, Mutant]]:
    """Yield every change of a file with its column; what a type says is left alone."""
    code = file.read_text(encoding="utf-8")
    types = annotations(code)
    tree = get_ast(code)
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        places = (start for node in ast_nodes(tree) for start, _ in kind().mutation_positions(node))
        for occurrence, (line, column) in enumerate(places):
            if not any(begin <= (line, column) < end for begin, end in types):
                path = str(file.relative_to(ROOT))
                definition = defined_at(code, line)
                yield column, Mutant(path, line, name.split("/")[-1], occurrence, definition)


def annotations(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where types stand, from (line, column) to (line, column)."""
    found = []
    for node in ast.walk(ast.parse(code)):
        for name in ("annotation", "returns"):
            one = getattr(node, name, None)
            if one is not None:
                found.append(((one.lineno, one.col_offset), (one.end_lineno, one.end_col_offset)))
    return found


def defined_at(code: str, line: int) -> str:
    """Return the name of the innermost function or class around a line."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    around = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, kinds) and node.lineno <= line <= (node.end_lineno or line)
    ]
    return max(around, key=lambda node: node.lineno).name if around else "the file"


def tested(mutant: Mutant, copy: Path) -> dict[str, object]:
    """Run the tests on a mutant in a copy of the project; say what became of it."""
    file = copy / mutant.file
    before = file.read_text(encoding="utf-8")
    operator = get_operator(f"core/{mutant.operator}")()
    after = MutationVisitor.mutate_code(before, operator, mutant.occurrence)
    assert after is not None
    changed = next((f"{one.strip()} -> {other.strip()}" for one, other in lines(before, after)), "")
    started = time.monotonic()
    file.write_text(after, encoding="utf-8")
    try:
        outcome, test = run(files_that_test(mutant.file, copy / "tests"), copy)
    finally:
        file.write_text(before, encoding="utf-8")
    seconds = round(time.monotonic() - started, 1)
    return {**mutant._asdict(), "change": changed, "outcome": outcome, "by": test, "s": seconds}


def lines(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the lines that differ."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    return ((one, other) for one, other in pairs if one != other)


def run(files: list[str], copy: Path) -> tuple[str, str]:
    """Return killed, timeout or survived, and the test that failed."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    try:
        answer = subprocess.run(
            [*command, *files], cwd=copy, env=environment, capture_output=True, text=True,
            timeout=SLOWEST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "timeout", ""
    if answer.returncode == 0:
        return "survived", ""
    failed = [line for line in answer.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "killed", (failed or ["?"])[0].partition(" - ")[0]


def files_that_test(changed: str, tests: Path) -> list[str]:
    """Return the test files that import from the room of a file, the nearest first."""
    module = changed.removesuffix(".py").replace("/", ".")
    room = module.rpartition(".")[0]
    near, far = [], []
    for file in sorted(tests.glob("test_*.py")):
        names = imported(file, tests)
        if module in names:
            near.append(f"tests/{file.name}")
        elif any(name.startswith(f"{room}.") for name in names) and "command" not in names:
            far.append(f"tests/{file.name}")
    return near + far


def imported(file: Path, tests: Path) -> set[str]:
    """Return the modules that a test imports, itself or through others of its folder."""
    found: set[str] = set()
    waiting, seen = [file], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for node in ast.walk(ast.parse(one.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
            elif isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
        waiting += [tests / f"{name}.py" for name in found if (tests / f"{name}.py").is_file()]
    return found


if __name__ == "__main__":
    main()
