"""Every score of every variant tested against the baseline: from counts of sentences to p.

Both run folders and ledgers are read into :class:`Counted`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nmt.comparison.crossed import Tested, against
from nmt.comparison.influence import Counts
from nmt.comparison.values import Values, values_of
from nmt.errors import UserError
from nmt.metrics.words import BUCKETS, DROPPED
from nmt.stages import counted

NOT_KEPT = "the scores of single sentences were not kept: {}"
OTHER_PIECES = "losses per piece can be compared only with the same tokenizer"
KEEPS = {"loss": "`nmt evaluate run=RUN` keeps them"} | dict.fromkeys(
    (DROPPED, *BUCKETS.values()),
    "a run was trained by an older nmt, or the test set has no such word",
)


class Counted(NamedTuple):
    """The counts behind a variant's scores.

    ``kind`` is of model: variants of one kind share the variance of their seeds. ``runs`` has a
    run for each seed, in their order: its counts by test set and score.
    """

    name: str
    kind: str
    runs: Sequence[Mapping[str, Counts]]

    def lacks(self, score: str) -> bool:
        """Tell whether a run lacks a score for each sentence."""
        return any(score not in counts for run in self.runs for counts in run.values())


def all_against(
    variants: Sequence[Counted], baseline: str, scores: Sequence[str]
) -> dict[str, Tested]:
    """Test all variants against the baseline in each score, see :func:`against`.

    Variants that cannot be tested are in ``untested``, with the reason.
    """
    return {one: in_score(variants, baseline, one) for one in counted(scores, len(scores))}


def in_score(variants: Sequence[Counted], baseline: str, score: str) -> Tested:
    """Test all variants against the baseline in one score."""
    not_kept = NOT_KEPT.format(KEEPS.get(score, "it needs hypotheses.txt and references.txt"))
    values: list[Values] = []
    without: dict[str, str] = {}
    base = next(one for one in variants if one.name == baseline)
    for one in variants:
        try:
            if one.lacks(score):
                without[one.name] = not_kept
            elif score == "loss" and not same_pieces(base, one):
                without[one.name] = OTHER_PIECES
            else:
                values.append(values_of(one.name, score, one.runs, one.kind))
        except UserError as error:
            without[one.name] = str(error)
    if baseline in without:
        why = without[baseline]
        told = f"of {baseline} {why}" if why == not_kept else why
        return Tested({}, {}, [], {one.name: told for one in variants if one.name != baseline})
    found = against(values, baseline)
    untested = found.untested | without
    names = [one.name for one in variants if one.name in untested]
    return replace(found, untested={name: untested[name] for name in names})


def same_pieces(first: Counted, second: Counted) -> bool:
    """Tell whether all runs have the same number of pieces in each sentence of shared test sets."""
    return all(
        np.array_equal(kept["loss"][:, 1], counts["loss"][:, 1])
        for before in first.runs
        for after in second.runs
        for test_set, counts in after.items()
        if "loss" in (kept := before.get(test_set, {})) and len(kept["loss"]) == len(counts["loss"])
    )
