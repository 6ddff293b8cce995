"""Word order differs between languages: links between words that cross, drawn and counted."""

import gzip
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from statement_page import DOCS, Found, Rows, Statement, panels

from nmt.links.diagonal import Lexicon
from nmt.links.links import Gold, Links, read_links
from nmt.links.symmetrize import grow_diag_final_and
from nmt.report.fonts import families
from nmt.report.palette import VARIANTS
from nmt.report.words import MARK, SPECIAL, merge_words

WEIGHTS = DOCS / "studies" / "multi30k_rnn" / "bahdanau,optimizer.lr=0.002,seed=1.npz"
SENTENCE = 4  # of the study's own, "Zwei Kinder werfen …"
LEAST = 0.25  # weight that is drawn
JAPANESE = "天皇 は 源 頼朝 を 征夷 大 将軍 に 任命 し た 。"
ENGLISH = "the emperor appointed minamoto no yoritomo to shogun ."
PAIRS = ("de-en", "ja-en")  # gold links of the shared corpora
SPLITS = ("dev", "tune", "test")  # of KFTT, whose words the aligner learns from


def measure(runs: Path) -> Found:
    """Read a decoder's links, learn others, and count crossings of gold links.

    ``corpora`` in the folder of runs is the folder of the shared corpora, or a link to it.
    """
    corpora = runs / "corpora"
    crossed = {pair: share_of_crossing(gold(corpora, pair)) for pair in PAIRS}
    return {"crossing": crossed, "de": attended(), "ja": aligned(corpora)}


def attended() -> Found:
    """Return the words of a sentence of the study, and the weights between them."""
    with np.load(WEIGHTS, allow_pickle=False) as kept:
        weights = torch.from_numpy(kept[f"attention/{SENTENCE}/source-target"]).float()[0, 0]
        pieces = {side: kept[f"pieces/{SENTENCE}/{side}"].tolist() for side in ("source", "target")}
        apart = {side: marks_apart(of_side) for side, of_side in pieces.items()}
        found, source, target = merge_words(weights, **apart, languages=("de", "en"))
    links = [
        [s, t, round(weight, 3)]
        for t, row in enumerate(found[:-1, :-1].tolist())  # without </s> on either side
        for s, weight in enumerate(row)
        if weight >= LEAST
    ]
    return {"source": source[:-1], "target": target[:-1], "links": links}


def marks_apart(pieces: Sequence[str]) -> list[str]:
    """Begin a word with each piece of punctuation, so that its weight is not that of a word."""
    return [
        piece if piece in SPECIAL or any(map(str.isalnum, piece)) else MARK + piece.lstrip(MARK)
        for piece in pieces
    ]


def aligned(corpora: Path) -> Found:
    """Learn from KFTT which words translate each other, and link a sentence of our own."""
    ja, en = (
        [line.lower().split(" ") for split in SPLITS for line in lines(corpora, split, side)]
        for side in ("ja", "en")
    )
    source, target = JAPANESE.split(), ENGLISH.split()
    (there,) = Lexicon.learn(ja, en).links([source], [target])
    (back,) = Lexicon.learn(en, ja).links([target], [source])
    both = grow_diag_final_and(there, frozenset((s, t) for t, s in back))
    return {"source": source, "target": target, "links": [[s, t, 1.0] for s, t in sorted(both)]}


def lines(corpora: Path, split: str, side: str) -> list[str]:
    """Return the tokenized lines of one side of a split of KFTT."""
    with gzip.open(corpora / "kftt" / "tok" / f"{split}.{side}.gz", "rt", encoding="utf-8") as file:
        return file.read().rstrip("\n").split("\n")


def gold(corpora: Path, pair: str) -> list[Gold]:
    """Return the links that people drew between the words of a language pair."""
    return read_links(corpora / "alignment" / pair / "test.align.gz", base=1)


def share_of_crossing(linked: Sequence[Gold]) -> float:
    """Return how many of all pairs of sure links of a sentence cross."""
    crossed = number = 0
    for one in linked:
        for first, second in disjoint(one.sure):
            number += 1
            crossed += crosses(first, second)
    return crossed / number


def disjoint(links: Links) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return all pairs of links that share no word."""
    pairs = combinations(sorted(links), 2)
    return [(a, b) for a, b in pairs if a[0] != b[0] and a[1] != b[1]]


def crosses(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether two links cross: what stands first on one side stands last on the other."""
    return (first[0] - second[0]) * (first[1] - second[1]) < 0


def draw(found: Found) -> Figure:
    """Draw both sentences, their words in two rows and the links between."""
    names = ["de → en: weights of a decoder", "ja → en: links of an aligner"]
    figure, axes = panels(names, 6.4)
    for axis, one in zip(axes, (found["de"], found["ja"]), strict=True):
        draw_pair(axis, one)
    return figure


def draw_pair(axes: Axes, found: Found) -> None:
    """Draw the words of both sides, spread over the same width; links that cross are red."""
    axes.axis("off")
    places = {side: np.linspace(0, 1, len(found[side])) for side in ("source", "target")}
    for side, height, align in (("source", 1.03, "bottom"), ("target", -0.03, "top")):
        for x, word in zip(places[side], found[side], strict=True):
            axes.text(
                *(x, height, word),
                ha="center",
                va=align,
                rotation=60 if side == "source" else -60,
                fontsize=9,
                family=families(),
            )
    drawn = found["links"]
    for s, t, weight in drawn:
        cross = any(crosses((s, t), other[:2]) for other in drawn)
        axes.plot(
            *([places["source"][s], places["target"][t]], [1, 0]),
            color=VARIANTS[1] if cross else VARIANTS[0],
            linewidth=2.5 * weight,
        )
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(-0.5, 1.5)


def rows(found: Found) -> Rows:
    """How many pairs of gold links cross."""
    table: Rows = [("gold links of", "pairs of links that cross")]
    return [*table, *((pair, f"{100 * share:.1f} %") for pair, share in found["crossing"].items())]


STATEMENT = Statement(measure, draw, rows)
