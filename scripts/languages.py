"""Does attention look the same in every language? One model of several pairs, the same verses.

    python scripts/languages.py RUN [PICTURE]

RUN was trained with data.pairs=[de-en,fr-en,…]. The picture shows where the model looks while it is
forced to write the references of one verse, one panel per pair. The tables are about the first
verses of the test set that every pair has. They are printed as markdown.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import hydra.utils
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import nmt
from nmt.api.attention import Attention
from nmt.data.cache import cache_folder
from nmt.data.corpus import Lines
from nmt.data.pairs import Pair
from nmt.errors import UserError
from nmt.runs.folder import read_config
from nmt.terminal.console import tell
from nmt.terminal.table import markdown

IMAGE = Path(__file__).parent.parent / "docs" / "images" / "languages.png"
SHORTEST, LONGEST = 6, 9  # words of the verse that is drawn, in each language
VERSES = 100  # that are measured
WIDTH = 4.6  # inches of a panel


class Verse(NamedTuple):
    """A verse in the languages of a pair."""

    source: str  # with the piece that asks for the target
    target: str


def main() -> None:
    """Draw one verse, and print what is measured of all."""
    run = Path(sys.argv[1])
    image = Path(sys.argv[2]) if len(sys.argv) > 2 else IMAGE
    data = read_config(run).data
    if not data.get("pairs"):
        raise UserError(f"{run} was not trained with data.pairs")
    lines = hydra.utils.instantiate(data).lines(cache_folder(None), "test")
    verses = same_verses(lines)
    model = nmt.load(run)
    chosen = next(n for n in range(len(verses[data.pairs[0]])) if is_short(verses, n))
    drawn = {name: model.attention(*some[chosen]) for name, some in verses.items()}
    picture(drawn).savefig(image, dpi=110)
    tell(f"wrote {image}", "languages.py")
    found = {
        name: model.attention(*map(list, zip(*some[:VERSES], strict=True)))
        for name, some in verses.items()
    }
    print(markdown(MEASURED, [row(name, some) for name, some in found.items()]))
    print()
    print(markdown(COMPARED, compared(found)))


def same_verses(lines: Lines) -> dict[str, list[Verse]]:
    """Return the verses that all pairs have, in one order, by the names of the pairs.

    The pairs share languages, and through these a verse is known: by what it says in English, for
    instance. So it is the language that most pairs have which names a verse.
    """
    languages = [language for name in lines.pairs for language in Pair.of(name)]
    shared = max(languages, key=languages.count)
    found: dict[str, dict[str, Verse]] = {}
    for name, place in lines.pairs.items():
        pair = Pair.of(name)
        if shared not in pair:
            raise UserError(f"{name} does not have {shared}, which the other pairs share")
        rows = [Verse(lines.source[n], lines.target[n]) for n in place]
        into = pair.target == shared
        texts = [one.target if into else one.source.split(" ", 1)[1] for one in rows]
        found[name] = dict(zip(texts, rows, strict=True))
    both = set.intersection(*(set(one) for one in found.values()))
    order = [text for text in found[next(iter(found))] if text in both]
    return {name: [one[text] for text in order] for name, one in found.items()}


def is_short(verses: Mapping[str, Sequence[Verse]], number: int) -> bool:
    """Tell whether a verse has few words in every language."""
    sides = [side for some in verses.values() for side in some[number]]
    return all(SHORTEST <= len(side.split()) <= LONGEST for side in sides)


def picture(found: Mapping[str, Attention]) -> Figure:
    """Draw the attention of a verse, words by words, a panel for each pair."""
    rows = -(-len(found) // 2)
    figure = Figure((2 * WIDTH, rows * WIDTH), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, one) in zip(figure.subplots(rows, 2).flat, found.items(), strict=True):
        one.words().plot(axes)
        axes.set_title(name.replace("-", " → "))
    return figure


def row(name: str, found: Sequence[Attention]) -> tuple[str | float, ...]:
    """Measure the attention of a pair over all its target pieces."""
    weights = [one.mean().weights[0, 0] for one in found]  # (T,S) each
    entropy = np.concatenate([-(w * np.log(np.maximum(w, 1e-12))).sum(1) for w in weights])
    asking = np.concatenate([w[:, 0] for w in weights])
    end = np.concatenate([w[:, -1] for w in weights])
    off = np.abs(np.concatenate([off_diagonal(w) for w in weights]))
    return name, *(float(one.mean()) for one in (entropy, asking, end, off))


MEASURED = ("pair", "entropy", "on the first piece", "on </s>", "off the diagonal")


def off_diagonal(weights: np.ndarray) -> np.ndarray:
    """Return how far from the diagonal each target piece but </s> looks, (T-1,).

    From -1 to 1, as the place in the source minus the place in the target, both from 0 to 1. The
    piece that asks for the language and </s> of the source are left out of the mean place.
    """
    inner = weights[:-1, 1:-1]  # (T-1,S-2)
    places = np.linspace(0, 1, inner.shape[1])
    looked = inner @ places / np.maximum(inner.sum(1), 1e-12)
    return looked - np.linspace(0, 1, len(inner))


def compared(found: Mapping[str, Sequence[Attention]]) -> list[tuple[str, float]]:
    """Correlate where two pairs look that write the same target, over all its pieces.

    What the place in the target tells by itself is taken out: languages that are read from left to
    right, word for word, would agree by that alone. So it is the partial correlation.
    """
    rows: list[tuple[str, float]] = []
    for first, other in combinations(found, 2):
        if Pair.of(first).target == Pair.of(other).target:
            ours, theirs = unexplained(found[first]), unexplained(found[other])
            rows.append((f"{first}, {other}", float(np.corrcoef(ours, theirs)[0, 1])))
    return rows


def unexplained(found: Sequence[Attention]) -> np.ndarray:
    """Return the place where each target piece looks, less what a line through its own says."""
    weights = [one.mean().weights[0, 0] for one in found]
    own = np.concatenate([np.linspace(0, 1, len(w) - 1) for w in weights])
    looked = np.concatenate([off_diagonal(w) for w in weights]) + own
    return looked - np.polyval(np.polyfit(own, looked, 1), own)


COMPARED = ("pairs", "partial correlation")


if __name__ == "__main__":
    main()
