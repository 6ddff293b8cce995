"""One fixed vector against attention: BLEU by length, from a study's ledger."""

from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, panels, rows_of

from nmt.comparison.lengths import band, buckets
from nmt.report.palette import VARIANTS
from nmt.study.report import REFERENCE, bleu_counts

STUDY = "multi30k_rnn"
COMPARED = ("none", "bahdanau")


def measure(_: Path) -> Found:
    """Return BLEU over both test sets in groups of lengths, with 95 % bands, from the ledger."""
    counted = {name: [bleu_counts(row) for row in rows_of(STUDY, name)] for name in COMPARED}
    groups = buckets(counted[COMPARED[0]][0][:, REFERENCE].astype(int))
    return {
        "groups": [[group.label, len(group.places), group.length] for group in groups],
        "bleu": {
            name: [band([run[group.places] for run in runs]) for group in groups]
            for name, runs in counted.items()
        },
    }


def draw(found: Found) -> Figure:
    """Draw BLEU over the length, each variant with its band."""
    figure, (axes,) = panels(["BLEU by length of the sentence"], 5.6)
    places = [length for _, _, length in found["groups"]]
    for (name, bands), color in zip(found["bleu"].items(), VARIANTS, strict=False):
        bleu, low, high = zip(*bands, strict=True)
        axes.plot(places, bleu, "o-", color=color, label=name)
        axes.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)
    axes.set_xlabel("words of the reference, the mean of a group")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return figure


def rows(found: Found) -> Rows:
    """BLEU and its band in each group."""
    names = [f"{label} ({number})" for label, number, _ in found["groups"]]
    table: Rows = [("variant", *names)]
    for name, bands in found["bleu"].items():
        table.append((name, *(f"{bleu:.2f} [{low:.2f}, {high:.2f}]" for bleu, low, high in bands)))
    return table


STATEMENT = Statement(measure, draw, rows)
