"""The counts from which the scores of runs are computed, sentence by sentence."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.chrf import CHRF

from nmt.comparison.influence import Counts, sentence_counts
from nmt.comparison.outside import Outside
from nmt.comparison.runs import Run
from nmt.metrics.bleu import bleu_of
from nmt.stages import counted

RunCounts = dict[str, Counts]  # by test set


def counts_of_all(
    runs: Sequence[Run], tokenizer: str, outside: Sequence[Outside]
) -> dict[Path, RunCounts]:
    """Return the counts behind BLEU, chrF, the loss and scores from outside, by run folder.

    ``tokenizer`` is BLEU's.
    """
    metrics = {"bleu": bleu_of(tokenizer), "chrf": CHRF()}
    known = all(run.test_set is not None for run in runs)
    found: dict[Path, RunCounts] = {}
    for run in counted(runs, len(runs)):
        given = {
            one.name: np.stack([one.values[run.folder], np.ones(len(one.values[run.folder]))], 1)
            for one in outside
        }
        name = run.test_set if known else fingerprint(run.references)
        found[run.folder] = {str(name): {**counts_of(run, metrics), **given}}
    return found


def counts_of(run: Run, metrics: Mapping[str, Metric]) -> dict[str, np.ndarray]:
    """Return the counts behind a run's own scores, as far as it has its texts and losses."""
    found: dict[str, np.ndarray] = dict(run.words)
    if run.hypotheses is not None and run.references is not None:
        found |= sentence_counts(metrics, run.hypotheses, run.references)
        found |= {f"bleu {name}": within(found["bleu"], one) for name, one in run.places.items()}
    return found if run.losses is None else {**found, "loss": run.losses}


def within(counts: np.ndarray, place: range) -> np.ndarray:
    """Return the counts of the sentences in a range; all others become 0."""
    found = np.zeros_like(counts)
    found[place.start : place.stop] = counts[place.start : place.stop]
    return found


def fingerprint(references: list[str] | None) -> str:
    """Return the fingerprint of a test set for older runs, which have not kept their sources."""
    return hashlib.sha256("\n".join(references or []).encode()).hexdigest()[:12]
