"""The sentences whose attention is drawn, always the same ones, as PNG and in TensorBoard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.data.loader import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.translate import Decode, source_ids
from nmt.evaluation.attention import AttentionMap, attention_maps
from nmt.report.heatmap import heatmap
from nmt.report.logger import Logger
from nmt.report.table import SAMPLES, markdown, sample_rows
from nmt.report.words import merge_words
from nmt.run import Translator


@dataclass
class Drawn:
    """A sentence to draw: its number in its file and text (1 is the first line)."""

    number: int
    source: str
    reference: str = ""


class Occasion(NamedTuple):
    """What a picture is drawn for; by default: one sentence, once, without a log."""

    heading: str = ""  # above the picture
    folder: str = ""  # below the gallery's
    tag: str = "attention"  # in TensorBoard
    step: int = 0

    @classmethod
    def update(cls, step: int) -> "Occasion":
        """What the model does after an update."""
        return cls(f"step {step:,}", f"step-{step:07d}", "attention-hypothesis", step)


def spread(sources: Sequence[str], references: Sequence[str], num: int) -> list[Drawn]:
    """Choose ``num`` sentences of a split, from short to long: the quantiles of source length."""
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    places = [order[(2 * k + 1) * len(order) // (2 * num)] for k in range(min(num, len(order)))]
    return [Drawn(i + 1, sources[i], references[i]) for i in places]


class Gallery:
    """Draws where the model looks in some sentences.

    Args:
        translator: the model.
        decode: how the sentences are translated.
        sentences: which ones.
        folder: where the PNG go.
        words: merge pieces to words.
        logger: shows the pictures in TensorBoard too; None: PNG alone.
    """

    def __init__(
        self,
        translator: Translator,
        decode: Decode,
        sentences: list[Drawn],
        folder: Path,
        words: bool,
        logger: Logger | None = None,
    ) -> None:
        self.translator = translator
        self.decode = decode
        self.sentences = sentences
        self.folder = folder
        self.words = words
        self.logger = logger

    def draw_hypotheses(self, occasion: Occasion) -> None:
        """Translate the sentences and draw each translation over its source."""
        found = self.translator([s.source for s in self.sentences], self.decode)
        best = [translations[0] for translations in found]
        if self.logger and self.sentences:
            rows = sample_rows(
                [s.number for s in self.sentences],
                [s.source for s in self.sentences],
                [translation.text for translation in best],
                [s.reference for s in self.sentences],
            )
            self.logger.text(occasion.step, "samples", markdown(SAMPLES, rows))
        for sentence, translation in zip(self.sentences, best, strict=True):
            lines = [sentence.source, translation.text, sentence.reference]
            self.draw(sentence, translation.ids, lines, occasion)

    def draw_references(self, step: int) -> None:
        """Draw where the model looks when it is forced to write the references."""
        occasion = Occasion("forced reference", "reference", "attention-reference", step)
        for sentence in self.sentences:
            (ids,) = self.translator.target_tokenizer.encode([sentence.reference])
            self.draw(sentence, ids, [sentence.source, sentence.reference], occasion)

    def draw(
        self, sentence: Drawn, target: list[int], lines: list[str], occasion: Occasion
    ) -> None:
        """Draw one sentence over target ids without bos and eos; ``lines`` stand above it.

        A picture for each attention: none for a model without one, nor for an empty line.
        """
        translator = self.translator
        (source,) = source_ids(
            translator.source_tokenizer, [sentence.source], self.decode.max_source
        )
        if not source:
            return
        batch = Batch(torch.tensor([source]), torch.tensor([[BOS, *target, EOS]]))
        batch = batch.to(translator.device)
        with translator.evaluating():
            maps = attention_maps(translator.model, batch.source, batch.target)
        above = translator.source_tokenizer.pieces(source)
        left = translator.target_tokenizer.pieces([*target, EOS])
        for found in maps:
            self.picture(found, above, left, sentence.number, lines, occasion)

    def picture(
        self,
        found: AttentionMap,
        above: list[str],
        left: list[str],
        number: int,
        lines: list[str],
        occasion: Occasion,
    ) -> None:
        """Draw one attention of one sentence, source pieces above, target pieces on the left."""
        weights = found.weights[0].float().cpu()  # (T,S)
        if self.words:
            languages = (self.translator.source_language, self.translator.target_language)
            weights, above, left = merge_words(weights, above, left, languages)
        parts = (f"sentence {number}", occasion.heading, found.name)
        heading = " · ".join(part for part in parts if part)
        figure = heatmap(weights, above, left, heading, [line for line in lines if line])
        name = "-".join([f"sentence-{number}", *found.name.split()])
        path = self.folder / occasion.folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        if self.logger:
            self.logger.figure(occasion.step, f"{occasion.tag}/{name}", figure)
