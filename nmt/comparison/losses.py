"""The loss of each sentence, from a run folder or an evaluation in it."""

from math import isfinite, nan
from pathlib import Path

import numpy as np

from nmt.data.text import shortened
from nmt.errors import UserError
from nmt.evaluation.evaluate import LOSSES, REFERENCES, SOURCES
from nmt.runs.checkpoint import MODEL
from nmt.runs.files import lines_of
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json

EVALUATIONS = "evaluation"  # a folder for each text, see `nmt evaluate`


def kept_losses(run: Path) -> np.ndarray | None:
    """Return nats and pieces of each reference, (N,2); None: they were not kept.

    A run of an older nmt has them if its final model was evaluated again on the same test set.
    UserError for a file that cannot be read.
    """
    if (run / LOSSES).is_file():
        return read_losses(run / LOSSES)
    for folder in sorted((run / EVALUATIONS).glob("*")):
        if (folder / LOSSES).is_file() and same_texts(folder, run) and of_the_model(folder):
            return read_losses(folder / LOSSES)
    return None


def same_texts(one: Path, other: Path) -> bool:
    """Tell whether two folders have the same sources and references."""
    return all(
        (one / name).is_file()
        and (other / name).is_file()
        and lines_of(one / name) == lines_of(other / name)
        for name in (SOURCES, REFERENCES)
    )


def of_the_model(folder: Path) -> bool:
    """Tell whether an evaluation used the final model of its run."""
    return (folder / RESULT).is_file() and read_json(folder / RESULT).get("weights") == MODEL


def read_losses(path: Path) -> np.ndarray:
    """Read one line per sentence, nats and pieces: (N,2). UserError for any other line."""
    found: list[tuple[float, float]] = []
    for number, line in enumerate(lines_of(path), start=1):
        nats, _, pieces = line.partition("\t")
        try:
            pair = float(nats), float(int(pieces))
        except ValueError:
            pair = nan, 0.0
        if not isfinite(pair[0]) or pair[1] < 1:
            raise UserError(
                f"{path}, line {number}: is not nats, a tab, and a number of pieces: "
                f"{shortened(line, 50)}"
            )
        found.append(pair)
    return np.array(found)
