"""The sentences in the explorer of a comparison: which ones, and in which orders."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from sacrebleu.metrics.chrf import CHRF

from nmt.comparison.disagreement import likeness
from nmt.data.corpus import Lines
from nmt.evaluation.explorer import LIMIT, ROUNDED, Json, Sizes, forced, records
from nmt.report.explorer import document
from nmt.run import Translator

CHRF_DIFFERS, DIFFER, LENGTH = "difference in chrF", "different translations", "length"
MAX_SCORES = 8_000  # of each measure: a few seconds
EACH = 60  # sentences that each order proposes


class Sentences:
    """The proposed sentences, and for each variant the records of those that fit."""

    def __init__(
        self, wanted: Sequence[int], lines: Lines, hypotheses: Sequence[list[str]]
    ) -> None:
        self.lines = lines
        self.orders = ranked(wanted, lines, hypotheses)
        self.numbers = interleaved(self.orders, wanted)
        self.limit = LIMIT // max(1, len(hypotheses))
        self.runs: list[tuple[str, list[Json]]] = []

    def add(self, name: str, translator: Translator, hypotheses: list[str]) -> None:
        """Read a variant's own translations of as many sentences as fit."""
        sizes = Sizes.of(translator)
        if not sizes.numbers:
            return
        left, chosen = self.limit, []
        for one in forced(translator, self.lines.source, hypotheses, [n - 1 for n in self.numbers]):
            left -= sizes.cost(one)
            if left < 0:
                break
            chosen.append(one)
        references = dict(enumerate(self.lines.target, start=1))
        self.runs.append((name, records(translator, chosen, references, sizes.rows)))

    def document(self) -> Json | None:
        """Return what the page shows: the sentences that all variants have; None: no sentence."""
        kept = set(self.numbers).intersection(*({s["number"] for s in own} for _, own in self.runs))
        if not self.runs or not kept:
            return None
        texts = [(name, [s for s in own if s["number"] in kept]) for name, own in self.runs]
        return {
            "runs": [document.run(name, {"test": [document.moment(0, s)]}) for name, s in texts],
            "panels": len(texts),
            "orders": self.orders,
            "notes": [f"{len(kept):,} of {len(self.lines.source):,} sentences. {ROUNDED}"],
        }


def ranked(
    wanted: Sequence[int], lines: Lines, hypotheses: Sequence[list[str]]
) -> dict[str, list[int]]:
    """Return numbers of sentences, from 1, in three orders: the most telling ones, by length last.

    Only the ``wanted`` ones, if there are any.
    """
    every = 1 + len(lines.source) * len(hypotheses) ** 2 // MAX_SCORES
    numbers = list(wanted) or [n + 1 for n in range(0, len(lines.source), every)]
    numbers = [n for n in numbers if lines.source[n - 1].strip()]
    metric = CHRF()

    def spread(number: int) -> float:
        reference = [lines.target[number - 1]]
        scores = [metric.sentence_score(own[number - 1], reference).score for own in hypotheses]
        return max(scores) - min(scores)

    def alike(number: int) -> float:
        return likeness([own[number - 1] for own in hypotheses])

    by_length = sorted(numbers, key=lambda n: (len(lines.source[n - 1]), n))
    step = max(1, len(by_length) // EACH)
    return {
        CHRF_DIFFERS: sorted(numbers, key=lambda n: (-spread(n), n))[:EACH],
        DIFFER: sorted(numbers, key=lambda n: (alike(n), n))[:EACH],
        LENGTH: by_length[::step],
    }


def interleaved(orders: dict[str, list[int]], first: Iterable[int]) -> list[int]:
    """Return all numbers once: those that are wanted, then the first of each order, and so on."""
    turns = zip_longest(*orders.values())
    found = [*first, *(number for turn in turns for number in turn if number is not None)]
    return list(dict.fromkeys(found))
