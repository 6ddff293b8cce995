"""How well a model continues the reference, and its own translation."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from statement_page import (
    Found,
    Rows,
    Run,
    Statement,
    dev_text,
    panels,
    share_heights,
    spread,
    trained,
)

from nmt.decoding.decode import Decode
from nmt.report.palette import VARIANTS
from nmt.run import open_run

EXPERIMENT = ("experiment=gradient_distance", "attention=luong_general")
TEACHERS = {"forcing": "gradient-luong_general", "scheduled_sampling": "teacher-sampling"}  # runs
CONFIDENCE = 1.96  # standard errors on either side of a 95 % interval
PREFIXES = (0, 3, 6, 9)  # words
NEXT = 3  # words behind a prefix that are judged
SENTENCES = 100  # of dev, the first that are long enough


def measure(runs: Path) -> Found:
    """Train with each teacher, and judge the words behind prefixes of either kind."""
    found: Found = {}
    for teacher, name in TEACHERS.items():
        each = [judged(run) for run in trained(runs, name, [*EXPERIMENT, f"teacher={teacher}"])]
        found[teacher] = {key: [one[key] for one in each] for key in each[0]}
    return found


def judged(run: Run) -> Found:
    """Judge the words behind prefixes of either kind."""
    translator = open_run(run.folder, "cpu", "fp32")
    text = dev_text(run.folder)
    pairs = zip(text.source, text.target, strict=True)
    long = [pair for pair in pairs if len(pair[1].split()) >= PREFIXES[-1] + NEXT]
    sources, references = (list(side) for side in zip(*long[:SENTENCES], strict=True))
    greedy = Decode(beam=1)
    free = [best[0].text for best in translator(sources, greedy)]
    forced: dict[int, list[str]] = {0: free}
    for length in PREFIXES[1:]:
        prefixes = [" ".join(one.split()[:length]) for one in references]
        forced[length] = [best[0].text for best in translator(sources, greedy, prefixes)]
    return {
        "sentences": len(sources),
        "bleu": run.result["bleu"],
        "forced": [next_words(forced[length], references, length) for length in PREFIXES],
        "free": [next_words(free, references, length) for length in PREFIXES],
    }


def next_words(texts: Sequence[str], references: Sequence[str], length: int) -> float:
    """Return the share of right words among the ``NEXT`` behind the first ``length`` of each text.

    Right is a word of the reference, as often as it stands there, that the first words of the text
    have not used up. So a prefix is not rewarded, and a translation may have another order.
    """
    right = number = 0
    for text, reference in zip(texts, references, strict=True):
        words = text.split()
        left = Counter(reference.split()) - Counter(words[:length])
        judged = words[length : length + NEXT]
        right += (Counter(judged) & left).total()
        number += len(judged)
    return right / number


def draw(found: Found) -> Figure:
    """Draw the share over the length of the prefix, a panel for each teacher."""
    figure, axes = panels([f"teacher={teacher}" for teacher in found])
    for axis, one in zip(axes, found.values(), strict=True):
        for name, color in zip(("forced", "free"), VARIANTS, strict=False):
            label = "after the reference" if name == "forced" else "after its own words"
            means, either_side = intervals(one, name)
            axis.errorbar(
                PREFIXES, means, either_side, fmt="o-", capsize=3, color=color, label=label
            )
        axis.set_xlabel("words before")
        axis.legend(fontsize=8)
    share_heights(axes)
    axes[0].set_ylabel(f"right among the next {NEXT} words, %")
    return figure


def intervals(one: Found, name: str) -> tuple[list[float], list[float]]:
    """Return the mean share over all runs, %, and what a 95 % interval has on either side.

    It is that of as many independent words as were judged.
    """
    words = NEXT * sum(one["sentences"])
    means = [sum(shares) / len(shares) for shares in zip(*one[name], strict=True)]
    errors = [(share * (1 - share) / words) ** 0.5 for share in means]
    return [100 * share for share in means], [100 * CONFIDENCE * error for error in errors]


def rows(found: Found) -> Rows:
    """The same in numbers."""
    table: Rows = [("teacher", "words before", *(str(length) for length in PREFIXES), "test BLEU")]
    for teacher, one in found.items():
        for name, label in (("forced", "the reference's"), ("free", "its own")):
            shares = (
                f"{spread([100 * share for share in shares], 1)} %"
                for shares in zip(*one[name], strict=True)
            )
            bleu = spread(one["bleu"], 2) if name == "forced" else ""
            table.append((f"`{teacher}`" if name == "forced" else "", label, *shares, bleu))
    return table


STATEMENT = Statement(measure, draw, rows)
