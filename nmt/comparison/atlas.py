"""The atlas: the same sentence under every variant, with the attention over its own translation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from nmt.alignment.attention import source_target
from nmt.comparison.comparison import Comparison
from nmt.comparison.disagreement import sentences
from nmt.comparison.explorer import Sentences
from nmt.comparison.runs import Run
from nmt.comparison.variants import Variant
from nmt.data.corpus import Lines
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.decode import Decode
from nmt.decoding.translate import source_ids
from nmt.errors import UserError
from nmt.models.attention_maps import AttentionMap
from nmt.report.heatmap import Axis
from nmt.report.several import Panel, several
from nmt.run import Translator, open_run
from nmt.stages import counted

NOTHING = "(attends to nothing)"
CLOSED = "(cannot be opened)"


class Look(NamedTuple):
    """Where a variant looked while it wrote its translation of a sentence."""

    variant: Variant
    text: str
    said: str  # of what the weights are the mean, or why there are none; empty: there is one matrix
    panel: Panel | None  # None: there are no weights


@dataclass
class Page:
    """One sentence of the atlas."""

    number: int  # in the test set, from 1
    source: str
    reference: str
    looks: list[Look]

    @cached_property
    def image(self) -> np.ndarray:
        """All of it as one picture, (height, width, 4) of uint8."""
        return page(self.number, self.source, self.reference, self.looks)


@dataclass
class Wish:
    """The sentences that the user asks for: these, or a number of those that differ most."""

    sentences: list[int]
    number: int
    device: str
    precision: str


class Atlas(NamedTuple):
    """The same sentences under every variant."""

    pages: list[Page]
    notes: list[str]  # which variants have nothing to show, and why
    touched: dict[str, Any] | None  # for the explorer; None: no variant has anything to show


def atlas(comparison: Comparison, wish: Wish) -> Atlas:
    """Draw the pages, and read more sentences for the explorer.

    UserError for a sentence that is not in the test set.
    """
    shown = drawn_runs(comparison)
    if not shown or not (wish.sentences or wish.number):
        return Atlas([], [], None)
    first = shown[0][1]
    assert first.sources
    assert first.references
    hypotheses = [run.hypotheses or [] for _, run in shown]
    language = str(comparison.baseline.identity.get("data.source", "en"))
    text = Lines(first.sources, first.references)
    numbers = sentences(wish.sentences, wish.number, text, hypotheses, language)
    looks: dict[int, list[Look]] = {number: [] for number in numbers}
    notes: list[str] = []
    touched = Sentences(wish.sentences, text, hypotheses)
    for variant, run in counted(shown, len(shown)):
        try:
            translator = open_run(run.folder, wish.device, wish.precision)
        except UserError as error:
            notes.append(f"{variant.name} is not drawn: {error}")
            texts = run.hypotheses or []
            for number in numbers:
                looks[number].append(Look(variant, texts[number - 1], CLOSED, None))
            continue
        for number in numbers:
            looks[number].append(look(variant, translator, run, number))
        touched.add(variant.short, translator, run.hypotheses or [])
    pages = [
        Page(number, first.sources[number - 1], first.references[number - 1], looks[number])
        for number in numbers
    ]
    return Atlas(pages, notes, touched.document())


def drawn_runs(comparison: Comparison) -> list[tuple[Variant, Run]]:
    """Choose a run of each variant with the baseline's test set: of one seed where all have it."""
    test_set = comparison.baseline.runs[0].test_set
    usable = [
        (variant, runs)
        for variant in comparison.variants
        if (runs := [r for r in variant.runs if r.test_set == test_set and r.hypotheses])
    ]
    if test_set is None or not usable:
        return []
    seeds = set.intersection(*({run.seed for run in runs} for _, runs in usable))
    seed = min(seeds, default=None)
    return [
        (variant, next((run for run in runs if run.seed == seed), runs[0]))
        for variant, runs in usable
    ]


def look(variant: Variant, translator: Translator, run: Run, number: int) -> Look:
    """Find where a model looked while it wrote its translation in hypotheses.txt.

    Its text is cut into pieces again, most probably as the model wrote them.
    """
    assert run.sources
    assert run.hypotheses
    text = run.hypotheses[number - 1]
    (source,) = source_ids(
        translator.source_tokenizer, [run.sources[number - 1]], Decode().max_source
    )
    (target,) = translator.target_tokenizer.encode([text])
    ids = torch.tensor([source]), torch.tensor([[BOS, *target, EOS]])
    found = source_target(translator, *ids) if source else None
    if found is None:
        return Look(variant, text, NOTHING, None)
    weights = found.weights[0].float().cpu().mean((0, 1))  # (T,S)
    above = Axis(translator.source_tokenizer.pieces(source), "source", translator.source_language)
    pieces = translator.target_tokenizer.pieces([*target, EOS])
    left = Axis(pieces, "translation", translator.target_language)
    return Look(variant, text, averaged(found), Panel(variant.short, weights, above, left, text))


def averaged(found: AttentionMap) -> str:
    """Say of what the drawn weights are the mean; empty: there is one matrix."""
    rows, heads = found.weights.size(1), found.weights.size(2)
    kinds = [kind for kind in ("layer", "hop") if any(kind in name for name in found.rows)]
    parts = [f"{rows} {'s and '.join(kinds)}s"] * (rows > 1) + [f"{heads} heads"] * (heads > 1)
    return f"mean of {', '.join(parts)}" if parts else ""


def page(number: int, source: str, reference: str, looks: Sequence[Look]) -> np.ndarray:
    """Draw a sentence under all variants; those without attention have only their text."""
    lines = [("source", source), ("reference", reference)]
    lines += [(one.variant.short, f"{one.text} {one.said}") for one in looks if not one.panel]
    panels = [
        one.panel._replace(name=" · ".join(filter(None, (one.variant.short, one.said))))
        for one in looks
        if one.panel
    ]
    return several(panels, f"sentence {number}", lines)


def save(pages: list[Page], folder: Path) -> None:
    """Write one PNG per page."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in pages:
        Image.fromarray(one.image).save(folder / f"sentence-{one.number}.png")
