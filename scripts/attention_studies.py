"""What the studies' ledgers say of a choice: its variant, its row of results, where it looked."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.catalog.choices import Choice
from nmt.catalog.model_settings import ModelSetting
from nmt.config.study import Study
from nmt.study.findings import Findings, Result
from nmt.study.ledger import Ledger, Row
from nmt.study.report import against, mean_of, of_attention, spread

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "studies"
NOT_OF_ATTENTION = ("golden",)
SENTENCE = 0  # which of the studies' own sentences is drawn
HEADER = ("study", "variant", "seeds", "BLEU", "Δ", "REP", "DROP", "entropy")


class Looked(NamedTuple):
    """Where a trained variant looked in the studies' sentence: the mean over layers and heads."""

    study: str
    variant: str
    weights: np.ndarray  # (T,S)
    source: list[str]  # pieces, above
    target: list[str]


@cache
def all_findings() -> list[Findings]:
    """Read all ledgers, those of the family last: their runs are shorter."""
    paths = [path for path in FOLDER.glob("*.jsonl") if path.stem not in NOT_OF_ATTENTION]
    paths.sort(key=lambda path: (path.stem.startswith("family_"), path.stem))
    return [Findings.of(Ledger.at(path)) for path in paths]


def variant_of(study: Study, choice: Choice | ModelSetting) -> str | None:
    """Return the variant of a study that differs least from its base and has a choice."""
    found: dict[str, int] = {}
    for name, words in study.variants.items():
        typed = dict(word.split("=", 1) for word in (*study.base, *words))
        own = [value for key, value in typed.items() if key.split(".")[-1] == choice.group]
        if choice.name in own:
            found[name] = len(words)
    return min(found, key=lambda name: found[name], default=None)


def variants(choice: Choice | ModelSetting) -> Iterator[tuple[Findings, str]]:
    """Yield the variant of each study that has one."""
    for found in all_findings():
        name = variant_of(found.study, choice)
        if name is not None:
            yield found, name


def rows(choice: Choice | ModelSetting) -> list[list[str]]:
    """Return a row of results for each study in which the choice has one; see HEADER."""
    return [
        row_of(found, one)
        for found, name in variants(choice)
        for one in found.results
        if one.name == name
    ]


def row_of(found: Findings, one: Result) -> list[str]:
    """Return the row of a variant: BLEU is the mean over the test sets, as in the study's page."""
    words = [spread(one.scores(name), 2) if one.has(name) else "" for name in ("rep", "drop")]
    return [
        f"[{found.ledger.study}](studies/{found.ledger.study}.md)",
        one.name,
        " ".join(str(row.job.seed) for row in one.rows),
        spread(one.scores("bleu"), 2),
        against(found, one, "bleu")[0],
        *words,
        mean_of(one, of_attention("entropy"), 2),
    ]


def looked(choice: Choice | ModelSetting) -> Looked | None:
    """Return where a choice looked, in the run with the best dev BLEU; None: no run has ended."""
    kind = "encoder" if choice.group == "positions" else "source-target"
    for found, name in variants(choice):
        runs = [row for row in found.rows if row.job.variant == name]
        ended = [row for row in runs if f"attention/{SENTENCE}/{kind}" in row.arrays]
        if ended:
            return of_row(max(ended, key=lambda row: row.best_dev), kind)
    return None


def of_row(row: Row, kind: str) -> Looked:
    """Return where a run looked."""
    weights = row.arrays[f"attention/{SENTENCE}/{kind}"].astype(np.float32).mean((0, 1))
    source, target = (row.arrays[f"pieces/{SENTENCE}/{s}"].tolist() for s in ("source", "target"))
    left = source if kind == "encoder" else target
    return Looked(row.content["study"], row.job.variant, weights, source, left)
