"""The model that comes with nmt, `sample`: a run folder beside the code.

`experiment=sample` trains it. Its weights are in bf16, and it holds no sentence of its corpus. An
installed package may be read-only, so results go to `runs/sample` in the current folder.
"""

from pathlib import Path

NAME = "sample"


def sample_folder() -> Path:
    """Return the run folder, inside the wheel or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / NAME
    return inside if inside.is_dir() else package.parent / NAME


def is_sample(run: Path) -> bool:
    """Tell whether a run folder is the one that comes with nmt."""
    return run.resolve() == sample_folder().resolve()


def results_folder(run: Path) -> Path:
    """Return the default folder for results of a run: its own folder, if it is not the sample."""
    return Path("runs", NAME) if is_sample(run) else run
