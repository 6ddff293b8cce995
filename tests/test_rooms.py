"""The rooms of nmt: a file imports of its own room and of those below, and never in a circle."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From top to bottom. docs/design.md says in a line what each of them holds.
ROOMS = [
    "__main__",
    "api",
    "commands",
    "catalog",
    "study",
    "comparison",
    "bench",
    "experiment",
    "export",
    "hf",
    "alignment",
    "evaluation",
    "run",
    "training",
    "report",
    "runs",
    "config",
    "links",
    "terminal",
    "metrics",
    "laws",
    "models",
    "attention",
    "decoding",
    "batches",
    "data",
    "hardware",
    "stages",
    "errors",
]
LOOSE = {"__main__", "run", "stages", "errors"}  # files, not folders

Graph = dict[str, set[str]]  # the modules that each module imports


@cache
def files() -> dict[str, Path]:
    """Every file of nmt by the name of its module."""
    paths = [path.relative_to(ROOT) for path in (ROOT / "nmt").rglob("*.py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement in a file, class or function: imports are no part of an expression."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for one in getattr(node, field, None) or ():
            yield one
            yield from statements(one)


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """The known modules that are imported anywhere in a file, inside functions too."""
    names: set[str] = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            inside = {f"{node.module}.{one.name}" for one in node.names}
            names |= (inside & known) or {str(node.module)}
    return names & known


@cache
def graph() -> Graph:
    """What every module of nmt imports of nmt."""
    known = files().keys() - {"nmt"}
    trees = {name: ast.parse((ROOT / files()[name]).read_text(encoding="utf-8")) for name in known}
    return {name: imported(tree, known) for name, tree in trees.items()}


def floor(module: str) -> int:
    return ROOMS.index(module.split(".")[1])


def upwards(imports: Graph) -> list[str]:
    return [
        f"{module} imports {other}, which is in a room above it"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if floor(other) < floor(module)
    ]


def circle(imports: Graph) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_file_is_in_a_room():
    top = {path.stem if path.suffix == ".py" else path.name for path in (ROOT / "nmt").iterdir()}
    loose = {path.stem for path in (ROOT / "nmt").glob("*.py")} - {"__init__"}

    assert loose == LOOSE
    assert top - {"__init__", "__pycache__", "py.typed"} == set(ROOMS)


def test_imports_run_downwards():
    assert upwards(graph()) == []


def test_no_file_imports_itself_by_way_of_others():
    assert circle(graph()) == []


def test_the_design_names_the_rooms_in_this_order():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    text, _ = text.split("## The way of one batch")
    rows = re.findall(r"^\| `nmt/(\w+)(?:/|\.py)` \|", text, re.MULTILINE)

    assert rows == ROOMS


@pytest.mark.parametrize(
    "line",
    [
        "import nmt.models.rnn",
        "from nmt.models import rnn",
        "from nmt.models.rnn import RNN",
        "def lazily():\n    from nmt.models.rnn import RNN",
    ],
)
def test_an_import_upwards_would_be_found(line):
    found = imported(ast.parse(line), {"nmt.models", "nmt.models.rnn"})

    assert found == {"nmt.models.rnn"}
    assert len(upwards({"nmt.data.text": found})) == 1
    assert not upwards({"nmt.training.loss": found})


def test_a_circle_would_be_found():
    assert circle({"nmt.data.text": {"nmt.data.lines"}, "nmt.data.lines": {"nmt.data.text"}})
