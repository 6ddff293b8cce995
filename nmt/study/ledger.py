"""The ledger of a study: a line per finished run in NAME.jsonl, its arrays in NAME/RUN.npz.

A line is JSON: what was run, on which machine, and what came out. The arrays are counts of
n-grams, losses and pieces of each test sentence, from which every test of significance can be
computed again, and attention weights of sentences that we wrote. No text of a corpus is in either.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock

from nmt.comparison.influence import Counts
from nmt.errors import UserError
from nmt.metrics.words import WORD_SCORES
from nmt.runs.files import lines_of, replacing, write
from nmt.runs.foreign import is_number
from nmt.study.jobs import Job

FORMAT = 1
SCORES = ("bleu", "chrf", "loss")  # whose counts are kept for each sentence
NEEDED: dict[str, type | tuple[type, ...]] = {
    "study": str,
    "variant": str,
    "seed": int,
    "pinned": str,
    "best_dev_bleu": (int, float),
    "dev": list,
    "tests": dict,
    "machine": dict,
}


@dataclass(frozen=True)
class Row:
    """A finished run: a line of a ledger, and where its arrays are."""

    content: dict[str, Any]
    arrays_path: Path

    @property
    def job(self) -> Job:
        """Which run of the study it is."""
        return Job(self.content["variant"], self.content.get("tuned"), self.content["seed"])

    @property
    def best_dev(self) -> float:
        """Its best BLEU on dev."""
        return float(self.content["best_dev_bleu"])

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """The results on each test set, by its name."""
        return self.content["tests"]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """What is kept of each sentence. UserError where it cannot be read."""
        try:
            with np.load(self.arrays_path, allow_pickle=False) as found:
                return dict(found)
        except (OSError, ValueError, BadZipFile, EOFError) as error:
            raise UserError(
                f"{self.arrays_path} cannot be read: {error}. Restore it, or remove the line of "
                f"{self.job.name('tuned')} from the ledger to train the run again"
            ) from error

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """What scores are computed from, by the fingerprint of each test set.

        Those of words are there where they were measured: the runs of an older nmt have none.
        """
        found: dict[str, Counts] = {}
        for name, test in self.tests.items():
            keys = {score: f"{name}/{score}" for score in SCORES}
            lacking = [key for key in keys.values() if key not in self.arrays]
            if lacking:
                raise UserError(
                    f"{self.arrays_path} has no {lacking[0]}: it belongs to another run"
                )
            keys |= {s: key for s in WORD_SCORES if (key := f"{name}/{s}") in self.arrays}
            found[test["fingerprint"]] = {
                score: self.arrays[key].astype(np.float64) for score, key in keys.items()
            }
        return found

    def bleu_counts(self, test: str) -> np.ndarray:
        """Return what the BLEU of each sentence of a test set is computed from, (N,10)."""
        return self.counts[self.tests[test]["fingerprint"]]["bleu"]


class Ledger:
    """The finished runs of a study.

    Args:
        folder: of all ledgers.
        study: its name.
    """

    def __init__(self, folder: Path, study: str) -> None:
        self.study = study
        self.path = folder / f"{study}.jsonl"
        self.arrays = folder / study
        self.pins = folder / f"{study}.pinned.yaml"

    @classmethod
    def at(cls, path: Path) -> "Ledger":
        """Return the ledger of a .jsonl file. UserError if it does not exist."""
        if not path.is_file():
            raise UserError(f"{path}: there is no such ledger. `nmt study {path.stem}` makes it")
        return cls(path.parent, path.stem)

    def rows(self) -> list[Row]:
        """Return the finished runs, in the order of their lines.

        UserError, with the line, for a line that is not of this ledger, and for a run that is
        there twice.
        """
        if not self.path.is_file():
            return []
        found: dict[Job, int] = {}
        rows: list[Row] = []
        for number, line in enumerate(lines_of(self.path), 1):
            where = f"{self.path}, line {number}"
            if not line.strip():  # a line that was removed
                continue
            row = self.row(line, where)
            if row.job in found:
                raise UserError(f"{where} is the same run as line {found[row.job]}: remove one")
            found[row.job] = number
            rows.append(row)
        return rows

    def row(self, line: str, where: str) -> Row:
        """Read one line."""
        try:
            content = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"{where} is not JSON ({error}): restore it, or remove it to train the run again"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            number = content.get("format") if isinstance(content, dict) else None
            raise UserError(
                f"{where} has format {number}, and this nmt reads {FORMAT}: "
                f"{'upgrade nmt' if is_number(number) else 'it is not a line of a ledger'}"
            )
        for key, kind in NEEDED.items():
            if not isinstance(content.get(key), kind):
                raise UserError(f"{where}: {key}={content.get(key)} is not from a finished run")
        if content["study"] != self.study:
            raise UserError(f"{where} belongs to the study {content['study']}, not to {self.study}")
        return Row(content, self.arrays / f"{content.get('arrays')}.npz")

    def add(self, content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Add a run that has ended: its arrays first, so that a line always has some."""
        self.arrays.mkdir(parents=True, exist_ok=True)
        with (
            replacing(self.arrays / f"{content['arrays']}.npz") as partial,
            partial.open("wb") as f,
        ):
            np.savez_compressed(f, **arrays)  # type: ignore[arg-type]
        line = json.dumps({"format": FORMAT, "study": self.study, **content}, ensure_ascii=False)
        with FileLock(self.path.with_suffix(".lock")):
            before = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
            before += "\n" if before and not before.endswith("\n") else ""
            write(self.path, f"{before}{line}\n")

    def merge(self, other: "Ledger") -> int:
        """Take in the runs of another ledger of this study that this one has not; how many."""
        ours = {row.job: row for row in self.rows()}
        theirs = other.rows()
        require_same_pins([*ours.values(), *theirs])
        new = [row for row in theirs if row.job not in ours]
        for row in new:
            content = {k: v for k, v in row.content.items() if k not in ("format", "study")}
            self.add(content, row.arrays)
        return len(new)


def require_same_pins(rows: Iterable[Row]) -> None:
    """Raise UserError where runs of one variant were trained with different pinned settings."""
    first: dict[str, str] = {}
    for row in rows:
        variant, digest = row.content["variant"], row.content["pinned"]
        if first.setdefault(variant, digest) != digest:
            raise UserError(
                f"{row.arrays_path}: {variant} was trained with settings {digest}, but others "
                f"of its runs with {first[variant]}: they do not belong to the same study"
            )
