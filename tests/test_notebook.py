"""docs/notebooks/tutorial.ipynb, run as a reader runs it."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

PLACE = Path(__file__).parents[1] / "docs" / "notebooks" / "tutorial.ipynb"


def test_the_notebook_runs_and_is_kept_without_outputs(tiny, tmp_path, monkeypatch):
    """On a tiny corpus; all else is as it is written."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    book = nbformat.read(PLACE, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)

    (words,) = [cell for cell in code if "WORDS = [" in cell.source]
    fast = f"WORDS = {[*tiny, 'decode.beam=3']}"
    lines = words.source.splitlines()
    words.source = "\n".join(fast if one.startswith("WORDS = [") else one for one in lines)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [output for cell in code for output in cell.outputs]
    assert any("<iframe srcdoc=" in one.get("data", {}).get("text/html", "") for one in shown)
    assert any("# Comparison" in one.get("data", {}).get("text/markdown", "") for one in shown)
