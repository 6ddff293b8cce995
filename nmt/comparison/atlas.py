"""The atlas: the same sentence under every variant, where each looked while it wrote its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
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
from nmt.report.heatmap import DPI, GAP, MIN_WIDTH, draw_title, heatmap, height, pixels
from nmt.run import Translator, open_run

MAX_WIDTH = 2400  # pixels of a row of panels
SPACE = 24  # pixels between panels


@dataclass
class Page:
    """One sentence of the atlas."""

    number: int  # in the test set, from 1
    source: str
    image: np.ndarray  # (height, width, 4) of uint8


@dataclass
class Wish:
    """What the user wants to see: these sentences, or so many that differ most."""

    sentences: list[int]
    number: int
    device: str
    precision: str


class Atlas(NamedTuple):
    """What is shown of the same sentences under every variant."""

    pages: list[Page]
    notes: list[str]  # of which variants there is nothing to show, and why
    touched: dict[str, Any] | None  # for the explorer; None: no variant has anything to show


def atlas(comparison: Comparison, wish: Wish) -> Atlas:
    """Draw the pages, and read more sentences for the explorer.

    UserError for a sentence that is not in the test set.
    """
    shown = {variant.name: run for variant, run in drawn_runs(comparison)}
    if not shown or not (wish.sentences or wish.number):
        return Atlas([], [], None)
    first = next(iter(shown.values()))
    assert first.sources
    assert first.references
    hypotheses = [run.hypotheses or [] for run in shown.values()]
    language = str(comparison.baseline.identity.get("data.source", "en"))
    text = Lines(first.sources, first.references)
    numbers = sentences(wish.sentences, wish.number, text, hypotheses, language)
    names = {variant.name: variant.short for variant in comparison.variants}
    panels: dict[int, list[np.ndarray]] = {number: [] for number in numbers}
    notes: list[str] = []
    touched = Sentences(wish.sentences, text, hypotheses)
    for name, run in shown.items():
        try:
            translator = open_run(run.folder, wish.device, wish.precision)
        except UserError as error:
            notes.append(f"{name} is not in the atlas: {error}")
            continue
        for number in numbers:
            panels[number].append(panel(name, translator, run, number))
        touched.add(names[name], translator, run.hypotheses or [])
    pages: list[Page] = []
    for number in numbers:
        lines = [first.sources[number - 1], first.references[number - 1]]
        image = page(f"sentence {number} · source, reference", lines, panels[number])
        pages.append(Page(number, lines[0], image))
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


def panel(name: str, translator: Translator, run: Run, number: int) -> np.ndarray:
    """Draw where a model looked while it wrote its translation in hypotheses.txt.

    Its text is cut into pieces anew, most probably as the model wrote them.
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
        return words(name, [text, "(attends to nothing)"], MIN_WIDTH)
    weights = found.weights[0].float().cpu().mean((0, 1))  # (T,S)
    heading = " · ".join(part for part in (name, averaged(found)) if part)
    above = translator.source_tokenizer.pieces(source)
    left = translator.target_tokenizer.pieces([*target, EOS])
    return pixels(heatmap(weights, above, left, heading, [text]))


def averaged(found: AttentionMap) -> str:
    """Say what the drawn weights are the mean of; empty: there is one matrix."""
    rows, heads = found.weights.size(1), found.weights.size(2)
    kinds = [kind for kind in ("layer", "hop") if any(kind in name for name in found.rows)]
    parts = [f"{rows} {'s and '.join(kinds)}s"] * (rows > 1) + [f"{heads} heads"] * (heads > 1)
    return f"mean of {', '.join(parts)}" if parts else ""


def page(heading: str, lines: list[str], panels: list[np.ndarray]) -> np.ndarray:
    """Put panels side by side, in rows, below a heading and lines of text."""
    rows: list[list[np.ndarray]] = [[]]
    for one in panels:
        used = sum(other.shape[1] + SPACE for other in rows[-1])
        if rows[-1] and used + one.shape[1] > MAX_WIDTH:
            rows.append([])
        rows[-1].append(one)
    strips = [beside(row) for row in rows if row]
    width = max([int(MIN_WIDTH * DPI), *(strip.shape[1] for strip in strips)])
    parts = [words(heading, lines, width / DPI), *strips]
    return np.concatenate([widened(part, width) for part in parts])


def beside(images: list[np.ndarray]) -> np.ndarray:
    """Put images in a row, their tops on a line, white where one is smaller."""
    tallest = max(image.shape[0] for image in images)
    padded = [
        np.pad(image, ((0, tallest - len(image)), (0, SPACE), (0, 0)), constant_values=255)
        for image in images
    ]
    return np.concatenate(padded, axis=1)


def widened(image: np.ndarray, width: int) -> np.ndarray:
    """Return an image as wide as the page."""
    missing = max(0, width - image.shape[1])
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=255)[:, :width]


def words(heading: str, lines: list[str], inches: float) -> np.ndarray:
    """Draw text alone, wrapped."""
    figure = Figure(figsize=(inches, 1), dpi=DPI)
    pixels(figure)  # gives it the canvas that text is measured on
    title = draw_title(figure, heading, lines, inches - 2 * GAP)
    tall = height(title) + 2 * GAP
    figure.set_size_inches(inches, tall)
    title.set_position((GAP / inches, 1 - GAP / tall))
    return pixels(figure)


def save(pages: list[Page], folder: Path) -> None:
    """Write a PNG a page."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in pages:
        Image.fromarray(one.image).save(folder / f"sentence-{one.number}.png")
