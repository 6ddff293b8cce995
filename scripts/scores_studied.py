"""Additive, dot, general, concat, location and two more: each score, and its BLEU in a study."""

from pathlib import Path
from statistics import mean
from typing import NamedTuple

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, bar, panels, rows_of, spread

from nmt.report.palette import BLUE

STUDY = "multi30k_rnn"


class Written(NamedTuple):
    """A score as its paper writes it."""

    formula: str
    paper: str
    bias: str


SCORES = {
    "bahdanau": Written("v·tanh(W q + U k)", "Bahdanau et al. 2015, appendix A.1.2", "optional"),
    "luong_dot": Written("q·k", "Luong et al. 2015, section 3.1", ""),
    "luong_general": Written("q·W k", "Luong et al. 2015, section 3.1", ""),
    "luong_concat": Written("v·tanh(W [q; k])", "Luong et al. 2015, section 3.1", "optional"),
    "luong_location": Written("W q", "Luong et al. 2015, eq. 8", ""),
    "scaled_dot": Written("q·k / √d", "Vaswani et al. 2017, eq. 1", ""),
    "cosine": Written("g · q·k / (‖q‖ ‖k‖)", "Graves et al. 2014, eq. 5 and 6", ""),
}


def measure(_: Path) -> Found:
    """Return the BLEU of each run from the ledger, the mean of both test sets."""
    return {
        name: [mean(test["bleu"] for test in row.tests.values()) for row in rows_of(STUDY, name)]
        for name in SCORES
    }


def draw(found: Found) -> Figure:
    """Draw the BLEU of each score that is trained, a point for each run."""
    trained = {name: bleu for name, bleu in found.items() if bleu}
    figure, (axes,) = panels(["BLEU, the mean of both test sets"], 5.6)
    for place, bleu in enumerate(trained.values()):
        bar(axes, place, bleu, 0.6, color=BLUE)
    axes.set_xticks(range(len(trained)), list(trained), fontsize=8)
    return figure


def rows(found: Found) -> Rows:
    """Formula, paper, whether it can have a bias, and BLEU."""
    table: Rows = [("score", "formula", "paper", "bias b", "seeds", "BLEU")]
    for name, bleu in found.items():
        result = spread(bleu, 2) if bleu else "not trained yet"
        table.append((f"`{name}`", *SCORES[name], len(bleu), result))
    return table


STATEMENT = Statement(measure, draw, rows)
