"""The measures of each translation: one row per sentence and run."""

from typing import NamedTuple

import numpy as np

from nmt.comparison.comparison import Comparison
from nmt.comparison.runs import Run
from nmt.data.text import one_line
from nmt.metrics.words import BUCKETS, percent, repeated, words_of_lines

F1 = tuple(BUCKETS.values())
HEADER = ("run", "line", "rep", "dropped", "aligned", "repeated_words", "dropped_words", *F1)


class Sentence(NamedTuple):
    """The measures of a translation."""

    rep: int  # its count in REP
    dropped: int | None  # source words without a counterpart; None: not known
    aligned: int | None  # source words with a counterpart in the reference
    repeated_words: str  # the bigrams, between commas
    dropped_words: str
    f1: list[float | None]  # of words, by how often the training text has them; None: has no such


def sentences(run: Run) -> list[Sentence]:
    """Measure each translation of a run; empty: it has no texts."""
    if run.hypotheses is None or run.references is None:
        return []
    sides = (words_of_lines(side, run.tokenizer) for side in (run.hypotheses, run.references))
    rows: list[Sentence] = []
    for number, both in enumerate(zip(*sides, strict=True)):
        found = repeated(*both)
        again = ", ".join(" ".join(bigram) for bigram in found)
        lost = run.dropped[number] if run.dropped else None
        counts = (len(lost.words), lost.aligned) if lost else (None, None)
        words = " ".join(lost.words) if lost else ""
        f1 = [f1_of(run.words.get(name), number) for name in F1]
        rows.append(Sentence(sum(found.values()), *counts, again, words, f1))
    return rows


def f1_of(counted: np.ndarray | None, number: int) -> float | None:
    """Return the F1 of a sentence in percent, of the counts (N,2) of all; None: not known."""
    if counted is None or not counted[number, 1]:
        return None
    return percent(counted[number : number + 1])


def to_tsv(comparison: Comparison) -> str:
    """Return all as tab-separated columns, with ``run`` and ``line`` as in files of scores=."""
    lines = ["\t".join(HEADER)]
    for variant in comparison.variants:
        for run in variant.runs:
            for number, one in enumerate(sentences(run), 1):
                *before, f1 = one
                cells = ["" if cell is None else one_line(str(cell)) for cell in before]
                cells += ["" if value is None else f"{value:.2f}" for value in f1]
                lines.append("\t".join((one_line(str(run.folder)), str(number), *cells)))
    return "\n".join(lines) + "\n"
