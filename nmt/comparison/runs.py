"""Run folders as a comparison reads them: their results, or why there are none."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nmt.comparison.losses import kept_losses
from nmt.config.settings import Setting, settings
from nmt.data.text import shortened
from nmt.errors import UserError
from nmt.evaluation.evaluate import HYPOTHESES, LOSSES, REFERENCES, SOURCES
from nmt.evaluation.training_words import Frequencies
from nmt.evaluation.words import (
    DROPPED_WORDS,
    Dropped,
    counts_of_words,
    read_dropped,
    read_frequencies_of,
)
from nmt.metrics.bleu import TOKENIZERS, bleu_tokenizer
from nmt.report.logger import read_metrics
from nmt.runs.checkpoint import MODEL
from nmt.runs.files import lines_of
from nmt.runs.folder import CONFIG, FAILURE, RESULT, stored_config, trained_on
from nmt.runs.foreign import is_number, read_json, refuse_links

TEXTS = ("split", "device", "precision")  # of a result, where it has them
ALIGNMENTS = "alignment"  # a folder for each text, see `nmt align`


@dataclass
class Run:
    """A run folder. ``why`` says why there is no result; where it is empty, there is one."""

    folder: Path
    settings: dict[str, Setting]  # empty: it ended before its configuration was written
    result: dict[str, Any]
    why: str = ""

    @property
    def seed(self) -> int:
        """The seed of its random numbers; -1: not known."""
        return int(self.settings.get("seed", -1))

    @cached_property
    def hypotheses(self) -> list[str] | None:
        """The translations; None: there are none."""
        return self._lines(HYPOTHESES)

    @cached_property
    def references(self) -> list[str] | None:
        """The references; None: there are none."""
        return self._lines(REFERENCES)

    @cached_property
    def sources(self) -> list[str] | None:
        """The sources; None: there are none."""
        return self._lines(SOURCES)

    @cached_property
    def losses(self) -> np.ndarray | None:
        """Nats and pieces of each reference, (N,2); None: they were not kept."""
        return kept_losses(self.folder)

    @cached_property
    def dropped(self) -> list[Dropped] | None:
        """The source words without a counterpart; None: an older nmt trained it."""
        return read_dropped(self.folder)

    @cached_property
    def frequency(self) -> Frequencies | None:
        """How often its training text has the words of the test; None: an older nmt trained it."""
        return read_frequencies_of(self.folder)

    @property
    def tokenizer(self) -> str:
        """The tokenizer of its BLEU: that of its signature, else of its language."""
        signature = str(self.result.get("signatures", {}).get("bleu"))
        known = ("13a", *TOKENIZERS.values())
        named = (one for one in known if f"tok:{one}" in signature)
        return next(named, bleu_tokenizer(str(self.settings.get("data.target", "en"))))

    @property
    def places(self) -> dict[str, range]:
        """Which lines of its texts belong to each pair of languages; empty: there is one pair."""
        return {
            str(name): range(one["first"] - 1, one["first"] - 1 + one["sentences"])
            for name, one in self.result.get("pairs", {}).items()
        }

    @cached_property
    def words(self) -> dict[str, np.ndarray]:
        """The counts of word scores, (N,2) for each score that is known."""
        if self.hypotheses is None or self.references is None:
            return {}
        known = self.dropped, self.frequency
        return counts_of_words(self.hypotheses, self.references, *known, self.tokenizer)

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The training log, one step per line."""
        return read_metrics(self.folder)

    @cached_property
    def test_set(self) -> str | None:
        """A fingerprint of sources and references; None: an older run, which does not have them."""
        if self.sources is None or self.references is None:
            return None
        text = "\n".join([*self.sources, "", *self.references])
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]

    @cached_property
    def alignment(self) -> dict[str, Any]:
        """The scores of its alignments against gold links; empty: none.

        Of its final model, not of an earlier checkpoint. With several texts that of the test set;
        empty if it is not clear which one that is.
        """
        found = {
            path.parent.name: content
            for path in sorted((self.folder / ALIGNMENTS).glob(f"*/{RESULT}"))
            if is_number((content := read_json(path)).get("aer"))
            and content.get("weights", MODEL) == MODEL
        }
        if len(found) > 1:
            found = {name: content for name, content in found.items() if name.endswith("-test")}
        if len(found) != 1:
            return {}
        ((name, content),) = found.items()
        return {**content, "text": name}

    def read(self) -> None:
        """Read all that is otherwise read on demand. UserError for files that cannot be read."""
        texts = ("hypotheses", "references", "sources", "losses", "dropped", "frequency")
        for name in (*texts, "metrics", "alignment"):
            getattr(self, name)

    def _lines(self, name: str) -> list[str] | None:
        path = self.folder / name
        return lines_of(path) if path.is_file() else None


def find_runs(folders: list[Path]) -> list[Run]:
    """Return the runs in and below folders, each once, in the order of names with numbers in them.

    UserError for a folder that does not exist or has none.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
        below = run_folders(folder)
        if not below:
            raise UserError(f"{folder} has no run. `nmt train` makes one")
        for run in below:
            if run.resolve() not in found:
                found[run.resolve()] = read_run(run)
    return list(found.values())


def run_folders(folder: Path) -> list[Path]:
    """Return the run folders in and below a folder, without looking inside run folders."""
    found: list[Path] = []
    for place, names, files in os.walk(folder):
        if CONFIG in files or FAILURE in files:
            found.append(Path(place))
            names.clear()
    return sorted(found, key=lambda path: natural(str(path)))


def natural(text: str) -> list[str | float]:
    """Return a key that sorts seed=2 before seed=10: text and numbers in turn."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]


def read_run(folder: Path) -> Run:
    """Read one run folder. Its ``why`` says what is wrong with it."""
    known: dict[str, Setting] = {}
    try:
        refuse_links(folder)
        known = read_settings(folder) if (folder / CONFIG).is_file() else {}
        result = read_result(folder / RESULT) if (folder / RESULT).is_file() else {}
        run = Run(folder, known, result)
        run.why = why_not(run)
    except (UserError, OSError) as error:
        return Run(folder, known, {}, str(error).removeprefix(f"{folder}{os.sep}"))
    return run


def read_settings(folder: Path) -> dict[str, Setting]:
    """Read the settings of a run. UserError for an invalid seed, because runs are sorted by it."""
    content = stored_config(folder)
    if not content.get("model") or not content.get("data"):
        raise UserError(f"{folder / CONFIG} is not from an nmt run: it lacks model or data")
    found = settings(content)
    seed = found.get("seed", 0)
    if not isinstance(seed, int) or not is_number(seed):
        raise UserError(
            f"{folder / CONFIG} is not from an nmt run: seed={shortened(str(seed), 50)}"
        )
    return found


def read_result(path: Path) -> dict[str, Any]:
    """Read a result.json. UserError where a value that identifies results is not text."""
    result = read_json(path)
    signatures = result.get("signatures", {})
    if not isinstance(signatures, dict):
        raise UserError(f"{path} is not from an nmt run: signatures={signatures}")
    if not all(is_place(one) for one in as_values(result.get("pairs", {}))):
        raise UserError(
            f"{path} is not from an nmt run: pairs={shortened(str(result['pairs']), 50)}"
        )
    for key, value in {**{key: result.get(key) for key in TEXTS}, **signatures}.items():
        if not isinstance(value, str | None):
            raise UserError(f"{path} is not from an nmt run: {key}={value}")
    return result


def as_values(content: Any) -> list[Any]:
    """Return the values of an object of JSON; anything else is one that is none."""
    return list(content.values()) if isinstance(content, dict) else [content]


def is_place(content: Any) -> bool:
    """Tell whether a result says which lines belong to a pair of languages."""
    found = content if isinstance(content, dict) else {}
    numbers = [found.get(key) for key in ("first", "sentences")]
    return all(isinstance(one, int) and one > 0 for one in numbers)


def why_not(run: Run) -> str:
    """Say why a run cannot be compared; empty: it can."""
    failure = run.folder / FAILURE
    if failure.is_file():
        text = failure.read_text(encoding="utf-8", errors="replace")
        return f"failed: {(text.splitlines() or ['no reason given'])[0]}"
    if not run.result or trained_on(run.folder):
        steps = [line["step"] for line in run.metrics]
        return f"unfinished: step {steps[-1]:,}" if steps else "unfinished: no step was logged"
    bleu = run.result.get("bleu")
    if not is_number(bleu):
        wrong = (
            "has no BLEU"
            if bleu is None
            else f"is not from an nmt run: bleu={shortened(str(bleu), 20)}"
        )
        return f"{RESULT} {wrong}"
    run.read()
    texts = {HYPOTHESES: run.hypotheses, REFERENCES: run.references, SOURCES: run.sources}
    texts |= {LOSSES: run.losses, DROPPED_WORDS: run.dropped}
    numbers = {name: len(lines) for name, lines in texts.items() if lines is not None}
    if len(set(numbers.values())) < 2:
        return ""
    return ", ".join(f"{name} has {number:,} lines" for name, number in numbers.items())
