"""Attention weights of one sentence, as arrays, as a picture and as text."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nmt.attention.place import Place
from nmt.errors import UserError
from nmt.report.weights import Weights, load_weights, save_npz

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nmt.report.labels import Label

SHADES = " ·░▒▓█"  # from 0 to 1
MIDDLE = len(SHADES) - 2
LONGEST_LABEL = 14  # characters of a label in the text form
CONTINUES = "##"  # before a piece that continues a word, in the text form; pictures have it grey
COLOUR = "8, 48, 107"  # of weight 1 in the table of HTML, as in every picture
CELL = 18  # pixels of a row of the explorer
CONTROLS = 420  # pixels of what is around its rows

Names = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Attention:
    """Where a model looked, in one sentence pair.

    ``weights`` is a numpy array (L,H,T,S) of float32: L layers (each hop counts as a layer), H
    heads, T queries, S keys. A row over the keys sums to 1 at most; norms and gradients
    (``sentence.of``) have any size, and are drawn and linked as shares of their row. ``queries``
    and ``keys`` are the labels of the last two axes.

    There is one array for each ``place``: ``"cross"`` (the target looks at the source),
    ``"encoder"`` and ``"decoder"`` (self-attention). An object shows one of them; :meth:`of`
    returns another one. All methods that select or merge return a new object.

    >>> attention = model.attention("kato akvo")
    >>> layers, heads, num_target, num_source = attention.weights.shape
    >>> attention.words().mean().links()  # doctest: +SKIP
    [(0, 0), (1, 1)]
    """

    sentence: Weights
    place: str = Place.CROSS.value
    _names: Names | None = None  # of layers and heads that were selected; None: all are there

    @property
    def weights(self) -> np.ndarray:
        """The weights of this place: (L,H,T,S)."""
        return self.sentence.weights[self.place]

    @property
    def places(self) -> list[str]:
        """The places where the model attends."""
        return list(self.sentence.weights)

    @property
    def source(self) -> list[str]:
        """The pieces of the source; ``</s>`` is the last."""
        return self.sentence.source_pieces

    @property
    def target(self) -> list[str]:
        """The pieces of the target as they are predicted; ``</s>`` is the last."""
        return self.sentence.target_pieces

    @property
    def queries(self) -> list[str]:
        """T labels: what looks. In ``decoder`` the pieces that were read, so ``<s>`` is first."""
        return {Place.CROSS: self.target, Place.ENCODER: self.source}.get(
            Place(self.place), self._read
        )

    @property
    def keys(self) -> list[str]:
        """S labels of the keys."""
        return self._read if self.place == Place.DECODER else self.source

    @property
    def _read(self) -> list[str]:
        return ["<s>", *self.target[:-1]]

    def of(self, place: str) -> "Attention":
        """Return the attention of another place. UserError where the model has none there."""
        if place not in self.places:
            raise UserError(f"place={place}: this model attends in {', '.join(self.places)}")
        return replace(self, place=place)

    def __getitem__(self, index: Any) -> "Attention":
        """Return some layers, or ``[layer, head]``: numbers from 0, negative ones, or slices.

        The array keeps its four axes. UserError for a layer or head that does not exist.
        """
        places = index if isinstance(index, tuple) else (index,)
        if len(places) > 2:
            raise UserError(f"attention[{index}]: use a layer, or a layer and a head")
        weights, names = self.weights, list(self._names or self._numbered())
        for axis, (name, one) in enumerate(zip(("layer", "head"), places, strict=False)):
            number = weights.shape[axis]
            if isinstance(one, slice):
                kept: list[int] = np.arange(number)[one].tolist()
            elif isinstance(one, int | np.integer) and -number <= one < number:
                kept = [int(one)]
            else:
                raise UserError(f"{name} {one}: there are {number}, counted from 0")
            weights = weights.take(np.asarray(kept, int), axis)
            names[axis] = tuple(names[axis][place] for place in kept)
        return self._with(weights, (names[0], names[1]))

    def _numbered(self) -> Names:
        """Return the names of all layers and all heads, by their numbers."""
        layers, heads = (
            tuple(f"{name} {place + 1}" for place in range(number))
            for name, number in zip(("layer", "head"), self.weights.shape[:2], strict=True)
        )
        return layers, heads

    def mean(self) -> "Attention":
        """Return the mean over all layers and heads: (1,1,T,S)."""
        return self._with(self.weights.mean((0, 1), keepdims=True), (("",), ("",)))

    def words(self) -> "Attention":
        """Merge pieces to words, in all places.

        Columns of one key are summed, rows of one query are averaged. A
        language that is written without spaces, such as Japanese, keeps its pieces.
        """
        from nmt.report.words import in_words

        return replace(self, sentence=in_words(self.sentence))

    def links(self, threshold: float | None = None) -> list[tuple[int, int]]:
        """Return links (source, target) between pieces, numbered from 0, ordered by target.

        Each target piece but ``</s>`` is linked to the source piece with the largest weight, in the
        mean over layers and heads; with a ``threshold`` to all that have at least this weight.
        ``</s>`` of the source is never linked. Only for ``place="cross"``.
        """
        if self.place != Place.CROSS:
            raise UserError(f"links are between source and target: .of('cross'), not {self.place}")
        matrix = self._mean()[:-1, :-1]  # (T-1,S-1)
        if not matrix.size:
            return []
        if threshold is not None:
            return [(int(s), int(t)) for t, s in np.argwhere(matrix >= threshold)]
        best = matrix.argmax(1)
        return [(int(s), t) for t, s in enumerate(best) if matrix[t, s] > 0]

    def entropy(self) -> np.ndarray:
        """Return -Σ w ln w of each query in nats: (L,H,T). 0: one key has all the weight.

        Norms and gradients count as shares of their row.
        """
        weights = self._shares(np.maximum(self.weights, 0))
        return -(weights * np.log(np.where(weights > 0, weights, 1))).sum(-1)

    def plot(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """Draw a heatmap.

        With ``ax``, a matplotlib Axes, the mean over layers and heads is drawn into it, and it is
        returned. Without, a new Figure is returned that shows every layer and head, and the mean of
        the heads.
        """
        from nmt.models.seq2seq import Kind
        from nmt.report.heatmap import Axis, axes_of, panel, weights_figure

        one = self.sentence
        kind = next(kind for kind in Kind if kind.place == self.place)
        source = Axis(self.source, "source", one.source_language)
        predicted, read = (
            Axis(pieces, "target", one.target_language) for pieces in (self.target, self._read)
        )
        above, left = axes_of(kind, source, predicted, read)
        if ax is not None:
            return panel(ax, self._mean(), above, left)
        lines = [("source", one.source), ("target", one.target)]
        heading = "" if self.place == Place.CROSS else f"{kind.value}-attention"
        return weights_figure(self.weights, above, left, heading, lines, one.of, self._names)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all places into an ``.npz`` file, which :func:`nmt.load_attention` reads."""
        return save_npz(self.sentence, Path(path))

    def _labels(self) -> tuple[list["Label"], list["Label"]]:
        """Return keys and queries as they are written."""
        from nmt.report.labels import labels

        source, target = self.sentence.source_language, self.sentence.target_language
        key = target if self.place == Place.DECODER else source
        query = source if self.place == Place.ENCODER else target
        return labels(self.keys, key), labels(self.queries, query)

    def _mean(self) -> np.ndarray:
        """Return the mean over layers and heads (T,S), as shares of each row."""
        return self._shares(self.weights.mean((0, 1)))

    def _shares(self, rows: np.ndarray) -> np.ndarray:
        """Divide norms and gradients (...,T,S) by the sum of their row; weights stay."""
        if self.sentence.of == "weights":
            return rows
        return rows / np.maximum(rows.sum(-1, keepdims=True), np.finfo(rows.dtype).tiny)

    def __str__(self) -> str:
        """Show the mean over layers and heads as a grid of shades: queries left, keys above.

        Pieces are written as in the pictures, without ▁. A piece that continues a word, grey there,
        begins with ``##`` here.
        """
        return text_grid(self._mean(), *self._labels())

    def __repr__(self) -> str:
        layers, heads, queries, keys = self.weights.shape
        return (
            f"<Attention {self.place}: {layers} layers, {heads} heads, {queries} queries, "
            f"{keys} keys>"
        )

    def html(self) -> str:
        """Return a page of HTML that needs nothing else: the explorer of this sentence.

        Point at a piece to see where it looked; choose layer, head and place. Without scripts it
        has a table with the mean over layers and heads. See docs/explorer.md.
        """
        from nmt.report.explorer import document
        from nmt.report.explorer.page import page

        record = document.sentence(self.sentence)
        if self._names:
            record["places"][self.place] |= dict(zip(("rows", "heads"), self._names, strict=True))
        run = document.run("", {"": [document.moment(0, [record])]})
        fallback = table(self._mean(), *self._labels(), repr(self)[1:-1])
        return page({"runs": [run], "place": self.place}, fallback)

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame, so that its styles stay inside."""
        layers, heads = self.weights.shape[:2]
        pictures = 0 if layers * heads == 1 else min(48 * (layers + 1), 400)
        height = CELL * max(len(self.queries), len(self.keys)) + pictures + CONTROLS
        return (
            f'<iframe srcdoc="{html.escape(self.html())}" '
            f'style="width:100%;height:{height}px;border:0"></iframe>'
        )

    def _with(self, weights: np.ndarray, names: Names) -> "Attention":
        sentence = self.sentence._replace(weights={self.place: weights})
        return replace(self, sentence=sentence, _names=names)


class Attentions(Sequence[Attention]):
    """The sentences of an Arrow file, which stay on the disk until they are asked for."""

    def __init__(self, rows: Sequence[Weights]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Attention: ...
    @overload
    def __getitem__(self, index: slice) -> list[Attention]: ...
    def __getitem__(self, index: int | slice) -> Attention | list[Attention]:
        """Read a sentence, from 0 on, or several."""
        found = self.rows[index]
        return of_weights(found) if isinstance(found, Weights) else [of_weights(w) for w in found]


def load_attention(path: str | os.PathLike[str]) -> Attention | Attentions:
    """Read what :meth:`Attention.save` or ``nmt translate … weights=FILE.arrow`` wrote.

    An ``.npz`` file has one sentence. An ``.arrow`` file is a sequence of them, of any length, that
    stays on the disk. UserError for a file of another format.

    >>> path = model.attention("kato akvo").save(folder / "one.npz")
    >>> nmt.load_attention(path)
    <Attention cross: 1 layers, 1 heads, ... queries, ... keys>
    """
    found = load_weights(Path(path))
    return of_weights(found) if isinstance(found, Weights) else Attentions(found)


def of_weights(sentence: Weights) -> Attention:
    """Make an Attention from the weights of a sentence. UserError if it has none."""
    if not sentence.weights:
        raise UserError("the model has attention=none, so it has no weights")
    place = Place.CROSS.value
    return Attention(sentence, place if place in sentence.weights else min(sentence.weights))


def text_grid(matrix: np.ndarray, keys: Sequence["Label"], queries: Sequence["Label"]) -> str:
    """Draw a matrix (T,S) with characters: keys above, written downwards; two columns per key."""
    left = [shown(one) for one in queries]
    width = max(map(columns, left), default=0)
    names = [shown(one) for one in keys]
    height = max(map(len, names), default=0)
    head = [
        " " * (width + 1) + "".join(two_columns(name.rjust(height)[row]) for name in names)
        for row in range(height)
    ]
    body = [
        " " * (width - columns(label)) + label + " " + "".join(2 * shade(w) for w in row)
        for label, row in zip(left, matrix, strict=True)
    ]
    return "\n".join(line.rstrip() for line in [*head, *body])


def shade(weight: float) -> str:
    """Return the character for a weight; only 0 is blank."""
    return SHADES[0] if weight <= 0 else SHADES[1 + min(int(weight * (MIDDLE + 1)), MIDDLE)]


def shown(label: "Label") -> str:
    """Return a label as the text form has it: printable, and not too long."""
    from nmt.report.labels import SPACE
    from nmt.terminal.console import printable

    text = label.text if label.begins or label.text == SPACE else CONTINUES + label.text
    text = printable(text)
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def columns(text: str) -> int:
    """Count the columns of text in a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def two_columns(character: str) -> str:
    """Fill two columns of a terminal."""
    return character + " " * (2 - columns(character))


def table(
    matrix: np.ndarray, keys: Sequence["Label"], queries: Sequence["Label"], title: str
) -> str:
    """Return a matrix (T,S) as a table of HTML without scripts; labels are escaped."""
    from nmt.report import palette

    above = "".join(f"<th class=key><span{part(one)}</span></th>" for one in keys)
    rows = [
        f"<tr><th{part(query)}</th>"
        + "".join(cell(weight, query, key) for key, weight in zip(keys, row, strict=True))
        + "</tr>"
        for query, row in zip(queries, matrix, strict=True)
    ]
    return (
        "<style>"
        f"td{{width:{CELL}px;height:{CELL}px;min-width:{CELL}px;border:1px solid #eee}}"
        "table{border-collapse:collapse}th{font-weight:normal;text-align:right;padding:0 6px}"
        "th.key{vertical-align:bottom;text-align:left;padding:4px 0}"
        "th.key span{writing-mode:vertical-rl;transform:rotate(180deg)}"
        f".continues{{color:{palette.CONTINUES}}}"
        f"caption{{text-align:left;color:#666;padding-bottom:4px}}</style><table><caption>"
        f"{html.escape(title)}; mean over layers and heads</caption>"
        f"<tr><th></th>{above}</tr>{''.join(rows)}</table>"
    )


def part(label: "Label") -> str:
    """Return the rest of a tag that has a label in it; one that continues a word is grey."""
    continues = "" if label.begins else " class=continues"
    return f"{continues}>{html.escape(label.text)}"


def cell(weight: float, query: "Label", key: "Label") -> str:
    """Return one cell, which shows its number when it is pointed at."""
    title = html.escape(f"{query.text} → {key.text}: {weight:.3f}")
    opacity = min(max(float(weight), 0.0), 1.0)
    return f'<td title="{title}" style="background:rgba({COLOUR},{opacity:.3f})"></td>'
