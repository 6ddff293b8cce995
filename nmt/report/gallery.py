"""The sentences whose attention is drawn, always the same ones, as PNG and in TensorBoard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

    def draw_hypotheses(self, step: int) -> None:
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
            self.logger.text(step, "samples", markdown(SAMPLES, rows))
        for sentence, translation in zip(self.sentences, best, strict=True):
            self.draw(sentence, translation.ids, translation.text, f"step-{step:07d}", step)

    def draw_references(self, step: int) -> None:
        """Draw where the model looks when it is forced to write the references."""
        for sentence in self.sentences:
            (ids,) = self.translator.target_tokenizer.encode([sentence.reference])
            self.draw(sentence, ids, sentence.reference, "reference", step)

    def draw(self, sentence: Drawn, target: list[int], text: str, place: str, step: int) -> None:
        """Draw one sentence with the given target ids (no bos, no eos); nothing to see: nothing."""
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
        for found in maps:
            self.picture(found, source, [*target, EOS], sentence, text, place, step)

    def picture(
        self,
        found: AttentionMap,
        source: list[int],
        target: list[int],
        sentence: Drawn,
        text: str,
        place: str,
        step: int,
    ) -> None:
        """Draw one attention of one sentence into ``<folder>/<place>/``."""
        translator = self.translator
        above = translator.source_tokenizer.pieces(source)
        left = translator.target_tokenizer.pieces(target)
        weights = found.weights[0].float().cpu()  # (T,S)
        if self.words:
            languages = (translator.source_language, translator.target_language)
            weights, above, left = merge_words(weights, above, left, languages)
        heading = " · ".join(
            part for part in (f"sentence {sentence.number}", place, found.name) if part
        )
        lines = [sentence.source, text]
        if sentence.reference and place != "reference":
            lines.append(sentence.reference)
        figure = heatmap(weights, above, left, heading, lines)
        name = "-".join([f"sentence-{sentence.number}", *found.name.split()])
        path = self.folder / place / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        if self.logger:
            kind = "reference" if place == "reference" else "hypothesis"
            self.logger.figure(step, f"attention-{kind}/{name}", figure)
