"""The commands of this project, each in a process of its own, and the figures of `nmt bench`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def nmt(words: Sequence[str]) -> None:
    """Run a command. SystemExit where it fails."""
    answer = subprocess.run([sys.executable, "-m", "nmt", *words], stdout=sys.stderr)
    if answer.returncode:
        sys.exit(f"nmt {' '.join(words)} has failed")


def bench(words: Sequence[str]) -> dict[str, Any]:
    """Return what `nmt bench` measures with some words."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "speed.json"
        nmt(["bench", *words, f"output={path}"])
        return json.loads(path.read_text(encoding="utf-8"))
