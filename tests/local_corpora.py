"""The corpora of this machine, for tests that measure something on real text."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("NMT_DATA") or Path(__file__).parents[2] / "shared" / "data")


def corpus_folder(name: str) -> str:
    """The folder of a corpus, `$NMT_DATA/<name>`; the test is skipped where it is absent."""
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(f"no corpus {name}: set NMT_DATA to the folder that holds {name}/")
    return str(folder)
