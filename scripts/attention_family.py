"""One table of all kinds of attention in both models, from the ledgers of the family studies.

It joins family_rnn with family_transformer, a kind that both have in one row.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from nmt.study.findings import Findings, Result
from nmt.study.page import LEARNING, cut_short, late_gain
from nmt.study.report import mean_of, of_attention, spread
from nmt.terminal.table import markdown

MODELS = {"RNN": "family_rnn", "Transformer": "family_transformer"}
TITLE = "All kinds in one table"
USUAL = {"attention": "scaled_dot", "normalize": "softmax", "sink": "none", "gate": "none"}
HEADER = ("score", "normalizer", "sink", "gate", "other")
MEASURES = ("BLEU", "loss", "AER", "entropy", "zeros", "no key", "REP")
NOTE = """\
BLEU, loss (nats per target piece) and REP are means over the test sets, with ± over seeds if there
are several. AER is the alignment error rate on the studies' five sentences, which we linked by
hand. Entropy (nats), zeros (the share of weights that are exactly 0) and no key (the weight on a
sink, or left over) are those of source-target attention; [what they
mean](compare.md#the-columns). Cost is that below, in one model; it is empty if a row has several
choices. An empty cell was not measured.
"""


class Kind(NamedTuple):
    """What stands in the first columns of a row: one value for each of HEADER."""

    score: str
    normalizer: str
    sink: str
    gate: str
    other: str

    @classmethod
    def of(cls, base: Sequence[str], words: Sequence[str]) -> "Kind":
        """Read the arguments of a study's base and of one of its variants."""
        typed = [tuple(word.split("=", 1)) for word in (*base, *words)]
        chosen = USUAL | {key: value for key, value in typed if key in USUAL}
        other = sorted(word for word in words if word.split("=")[0] not in USUAL)
        return cls(*(chosen[key] for key in USUAL), other=" ".join(other))


def joint(findings: Sequence[Findings], costs: Path) -> list[str]:
    """Return the section: a title, how far the runs are, a table and a note; or nothing.

    Nothing as long as no run of a family study has ended.

    costs: the file of scripts/attention_cost.py
    """
    known = {found.ledger.study: found for found in findings if found.results}
    by_model = {
        model: results(known[study]) if study in known else {} for model, study in MODELS.items()
    }
    if not any(by_model.values()):
        return []
    kinds = dict.fromkeys(kind for found in by_model.values() for kind in found)
    cost: dict[str, Any] = json.loads(costs.read_text(encoding="utf-8"))
    header = [*HEADER, *(f"{model} {name}" for model in MODELS for name in MEASURES), "cost"]
    table = [
        [
            *kind,
            *(cell for found in by_model.values() for cell in cells(found.get(kind))),
            cost_of(kind, cost),
        ]
        for kind in kinds
    ]
    return [f"## {TITLE}\n", *unfinished(by_model), markdown(header, table) + "\n", NOTE]


def results(found: Findings) -> dict[Kind, tuple[Findings, Result]]:
    """Return the kinds of a study."""
    variants = found.study.variants
    return {Kind.of(found.study.base, variants[one.name]): (found, one) for one in found.results}


def cells(variant: tuple[Findings, Result] | None) -> list[str]:
    """Write the MEASURES of a variant of a study; empty cells if a model does not have it."""
    if variant is None:
        return [""] * len(MEASURES)
    found, one = variant
    return [
        spread(one.scores("bleu"), 2),
        spread(one.scores("loss"), 3),
        mean_of(one, found.own_error, 2),
        *(mean_of(one, of_attention(name), 2) for name in ("entropy", "zeros", "no_key")),
        spread(one.scores("rep"), 2) if one.has("rep") else "",
    ]


def cost_of(kind: Kind, cost: dict[str, Any]) -> str:
    """Write the measured cost of the one choice that makes a kind unusual."""
    chosen = zip(USUAL.items(), kind, strict=False)
    words = [f"{group}={value}" for (group, usual), value in chosen if value != usual]
    words += kind.other.split()
    if not words:
        return "1"
    return f"{cost[words[0]]['ratio']:.2f}" if len(words) == 1 and words[0] in cost else ""


def unfinished(by_model: dict[str, dict[Kind, tuple[Findings, Result]]]) -> list[str]:
    """Say which model's runs were cut short: by how much dev BLEU still rose."""
    gains = {
        model: mean(late_gain(one) for _, one in kinds.values())
        for model, kinds in by_model.items()
        if kinds
    }
    cut = [f"{gain:.2f} ({model})" for model, gain in gains.items() if gain > LEARNING]
    return [f"{cut_short(' and '.join(cut), 'these budgets')}\n"] if cut else []
