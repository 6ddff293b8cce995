"""What the source must not have: ways to execute what is read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for name in ("nmt", "scripts") for path in (ROOT / name).rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"torch": {"load"}, "np": {"load"}, "numpy": {"load"}, "pd": {"read_pickle"}}
SAFE = "allow_pickle=False"  # has to be written beside np.load
YAML = {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
OPTIONS = {"trust_remote_code", "allow_pickle"}


def executes(tree: ast.AST) -> Iterator[str]:
    """Name what may execute what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {one.name for one in node.names}
            module = (node.module or "").split(".")[0]
            if module in MODULES:
                yield module
            yield from names & (METHODS.get(module, set()) | (YAML if module == "yaml" else set()))
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in BUILTINS:
                yield node.func.id
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                module, method = node.func.value.id, node.func.attr
                safe = module == "np" and SAFE in map(ast.unparse, node.keywords)
                bad = method in METHODS.get(module, set()) or (module == "yaml" and method in YAML)
                if bad and not safe:
                    yield f"{module}.{method}"
            for option in node.keywords:
                refused = isinstance(option.value, ast.Constant) and option.value.value is False
                if option.arg in OPTIONS and not refused:
                    yield option.arg


def test_nothing_that_is_read_is_executed():
    found = {
        str(path.relative_to(ROOT)): list(executes(ast.parse(path.read_text(encoding="utf-8"))))
        for path in SOURCES
    }
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.externals",
        "from torch import load",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.UnsafeLoader)",
        "eval(text)",
        "exec(text)",
        "load_dataset(name, trust_remote_code=yes)",
    ],
)
def test_what_executes_would_be_found(line):
    assert list(executes(ast.parse(line)))
