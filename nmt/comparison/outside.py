"""Scores of single sentences from elsewhere: a learned metric, or people.

A file has columns between tabs, named in its first line:

    run                     line    comet
    attention=none,seed=1   1       0.7312

A score's name is that of its column; there may be several. Every compared run has every line of the
test set once. A run is named by its folder, or by any unambiguous end of its path. Rows of other
runs are ignored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from nmt.comparison.influence import FORMULAS
from nmt.comparison.runs import Run
from nmt.data.text import shortened
from nmt.errors import UserError
from nmt.runs.files import lines_of

HEADER = ("run", "line")
RESERVED = ("variant", "seed", "seeds", "difference", "footnotes", "why")  # columns of the report


@dataclass(frozen=True)
class Outside:
    """A score that was given for every sentence."""

    name: str
    file: Path
    values: dict[Path, np.ndarray]  # (N,) by run folder


def read_scores(files: Sequence[Path], runs: Sequence[Run], taken: Sequence[str]) -> list[Outside]:
    """Read scores for all of the runs. ``taken`` are names that a score cannot have.

    UserError, with file and line, for anything wrong in the file.
    """
    found: list[Outside] = []
    for file in files:
        if not file.is_file():
            raise UserError(f"scores={file}: there is no such file. Several: 'scores=[FILE,FILE]'")
        names = score_names(file)
        for name in names:
            if name in (*HEADER, *RESERVED, *taken, *(one.name for one in found)):
                raise UserError(f"{file}, line 1: a column {name} already exists: rename it")
            if name.partition(" ")[0] in FORMULAS:
                raise UserError(
                    f"{file}, line 1: a column {name} begins with the name of one of nmt's scores: "
                    "rename it"
                )
        tables = read_tables(file, len(names), runs)
        found += [
            Outside(name, file, {folder: table[:, place] for folder, table in tables.items()})
            for place, name in enumerate(names)
        ]
    return found


def score_names(file: Path) -> list[str]:
    """Return the names of a file's scores. UserError for a header that is none."""
    header = lines_of(file)[0].rstrip("\r").split("\t")
    names = header[len(HEADER) :]
    if tuple(header[: len(HEADER)]) != HEADER or not names or not all(map(is_name, names)):
        raise UserError(
            f"{file}, line 1: has to be run, line and the name of a score, with tabs between them, "
            f"and is {shortened(repr(header), 100)}"
        )
    if len(set(names)) < len(names):
        raise UserError(f"{file}, line 1: two scores have one name: {', '.join(names)}")
    return names


def is_name(text: str) -> bool:
    """Tell whether a text can be the heading of a column."""
    return bool(text) and text.isprintable() and text == text.strip()


def read_tables(file: Path, num_scores: int, runs: Sequence[Run]) -> dict[Path, np.ndarray]:
    """Return the scores of each run by its folder, (N, num_scores)."""
    tables = {run.folder: np.full((size(run, file), num_scores), np.nan) for run in runs}
    folders: dict[str, Path | None] = {}
    for number, cells in rows(file, len(HEADER) + num_scores):
        name, line, *scores = cells
        if name not in folders:
            folders[name] = named(name, runs, f"{file}, line {number}")
        folder = folders[name]
        if folder is None:
            continue
        table = tables[folder]
        place = int(line) - 1 if line.isascii() and line.isdigit() else -1
        if not 0 <= place < len(table):
            raise UserError(
                f"{file}, line {number}: line={shortened(line, 20)}: {folder} has lines 1 to "
                f"{len(table):,}"
            )
        if not np.isnan(table[place, 0]):
            raise UserError(f"{file}, line {number}: line {line} of {name} occurs twice")
        table[place] = [value(score, f"{file}, line {number}") for score in scores]
    for folder, table in tables.items():
        missing = np.flatnonzero(np.isnan(table[:, 0]))
        if len(missing):
            raise UserError(
                f"{file}: has {len(table) - len(missing):,} of the {len(table):,} lines of "
                f"{folder}; line {missing[0] + 1:,} is missing. Every compared run needs every "
                "line"
            )
    return tables


def size(run: Run, file: Path) -> int:
    """Return how many sentences a run was tested on. UserError where it has not kept them."""
    if run.hypotheses is None or run.references is None:
        raise UserError(
            f"{run.folder} has no hypotheses.txt and references.txt, which scores={file} has to be "
            "of: leave the run out"
        )
    return len(run.hypotheses)


def rows(file: Path, num_cells: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the header, with their numbers. UserError for other columns."""
    for number, line in enumerate(lines_of(file)[1:], start=2):
        cells = line.rstrip("\r").split("\t")
        if len(cells) != num_cells:
            raise UserError(
                f"{file}, line {number}: {len(cells)} columns between tabs, and {num_cells} in "
                "line 1"
            )
        yield number, cells


def named(name: str, runs: Sequence[Run], place: str) -> Path | None:
    """Return the run folder with a name; None: it is not compared. UserError: there are several."""
    parts = Path(name).parts
    fitting = [
        run.folder
        for run in runs
        if Path(name).resolve() == (full := run.folder.resolve())
        or (parts and full.parts[-len(parts) :] == parts)
    ]
    if len(fitting) > 1:
        raise UserError(
            f"{place}: run={name}: {fitting[0]} and {fitting[1]} both end like this: give more "
            "of the path"
        )
    return fitting[0] if fitting else None


def value(text: str, place: str) -> float:
    """Return the number of a cell. UserError where it is not a number."""
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise UserError(f"{place}: {shortened(text, 20)} is not a finite number")
    return found
