"""Draws the attention of some sentences, always the same ones, as PNG and in TensorBoard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from PIL import Image
from torch import Tensor

from nmt.data.tokenizer import BOS, EOS, Tokenizer
from nmt.decoding.decode import Decode
from nmt.decoding.translate import Translation, source_ids
from nmt.models.attention_maps import AttentionMap
from nmt.models.contributions import MEASURES, Maps, as_shares
from nmt.models.seq2seq import Kind
from nmt.report.heatmap import Axis, axes_of, heatmap, name_of, pixels, with_mean
from nmt.report.logger import Logger
from nmt.report.title import Lines
from nmt.report.words import merge_words
from nmt.stages import counted
from nmt.terminal.table import markdown, sample_rows


@dataclass
class Drawn:
    """A sentence to draw: its number in its file and text (1 is the first line)."""

    number: int
    source: str
    reference: str = ""


# In TensorBoard, after the scalars, because tags are sorted by name.
HYPOTHESIS, REFERENCE = "where_it_looked", "where_it_looked_forced"


class Occasion(NamedTuple):
    """The occasion of a picture; default: one sentence, once, without a log."""

    heading: str = ""  # above the picture
    folder: str = ""  # below the gallery's
    tag: str = ""  # in TensorBoard
    step: int = 0
    written: str = "translation"  # the target

    @classmethod
    def update(cls, step: int) -> "Occasion":
        """The occasion of an evaluation after an update."""
        return cls(f"step {step:,}", f"step-{step:07d}", HYPOTHESIS, step)


def spread(sources: Sequence[str], references: Sequence[str], num: int) -> list[Drawn]:
    """Choose ``num`` sentences of a split, from short to long: the quantiles of source length."""
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    num = min(num, len(order))
    places = [order[(2 * k + 1) * len(order) // (2 * num)] for k in range(num)]
    return [Drawn(i + 1, sources[i], references[i]) for i in places]


class Translates(Protocol):
    """A model with its tokenizers, as :class:`nmt.run.Translator` is one."""

    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    source_language: str
    target_language: str

    def __call__(self, lines: list[str], decode: Decode) -> list[list[Translation]]:
        """Translate lines; the best translations of each, the best one first."""
        ...

    def attention(self, source: Tensor, target: Tensor, maps: Maps) -> list[AttentionMap]:
        """Return where the model looks in source (B,S) when it writes target (B,T+1)."""
        ...


class Gallery:
    """Draws where the model looks in some sentences.

    Args:
        translator: the model.
        decode: how the sentences are translated.
        sentences: which ones.
        folder: where the PNG go.
        words: merge pieces to words.
        scale: of the colours, see `nmt.report.heatmap`.
        logger: shows the pictures in TensorBoard too; None: PNG alone.
        of: what is drawn, see `nmt.models.contributions`.
    """

    def __init__(
        self,
        translator: Translates,
        decode: Decode,
        sentences: list[Drawn],
        folder: Path,
        words: bool,
        logger: Logger | None = None,
        of: str = "weights",
        scale: str = "linear",
    ) -> None:
        self.translator = translator
        self.decode = decode
        self.sentences = sentences
        self.folder = folder
        self.words = words
        self.logger = logger
        self.of = of
        self.scale = scale

    def draw_hypotheses(self, occasion: Occasion) -> list[Translation]:
        """Translate the sentences, draw each translation over its source, and return them."""
        found = self.translator([s.source for s in self.sentences], self.decode)
        best = [translations[0] for translations in found]
        if self.logger and self.sentences:
            rows = sample_rows(
                [s.number for s in self.sentences],
                [s.source for s in self.sentences],
                [translation.text for translation in best],
                [s.reference for s in self.sentences],
            )
            # One column: TensorBoard breaks words, and numbers, in a narrow one.
            lines = [(f"{number} {side}: {text}".strip(),) for number, side, text in rows]
            self.logger.text(occasion.step, "samples", markdown(("samples",), lines))
        pairs = list(zip(self.sentences, best, strict=True))
        for sentence, translation in counted(pairs, len(pairs)):
            self.draw(sentence, translation.ids, translation.text, occasion)
        return best

    def draw_references(self, step: int) -> None:
        """Draw the attention over the references (teacher forcing)."""
        occasion = Occasion("forced reference", "reference", REFERENCE, step, "reference")
        for sentence in counted(self.sentences, len(self.sentences)):
            (ids,) = self.translator.target_tokenizer.encode([sentence.reference])
            self.draw(sentence, ids, sentence.reference, occasion)

    def draw(self, sentence: Drawn, target: list[int], text: str, occasion: Occasion) -> None:
        """Draw one sentence over target ids without bos and eos, which are the pieces of ``text``.

        A picture for each kind of attention: none for a model without one, nor for an empty line.
        """
        translator = self.translator
        (source,) = source_ids(
            translator.source_tokenizer, [sentence.source], self.decode.max_source
        )
        if not source:
            return
        ids = torch.tensor([source]), torch.tensor([[BOS, *target, EOS]])
        maps = translator.attention(*ids, MEASURES[self.of].maps)
        pieces = translator.target_tokenizer.pieces
        texts = {"source": sentence.source, occasion.written: text}
        lines = list({**texts, "reference": sentence.reference}.items())
        keys = Axis(
            translator.source_tokenizer.pieces(source), "source", translator.source_language
        )
        predicted, read = (
            Axis(pieces(ids), occasion.written, translator.target_language)
            for ids in ([*target, EOS], [BOS, *target])
        )
        for found in maps:
            above, left = axes_of(found.kind, keys, predicted, read)
            self.picture(found, above, left, sentence.number, lines, occasion)

    def picture(
        self,
        found: AttentionMap,
        above: Axis,
        left: Axis,
        number: int,
        lines: Lines,
        occasion: Occasion,
    ) -> None:
        """Draw the attentions of one kind over one sentence: queries on the left, keys above.

        Several heads are side by side, and their mean after them; layers and hops one below the
        other.
        """
        weights, columns = with_mean(found.weights[0].float().cpu())  # (L,C,T,S)
        weights = weights if MEASURES[self.of].is_share else as_shares(weights)
        if self.words:
            languages = (above.language, left.language)
            weights, words_above, words_left = merge_words(
                weights, [*above.pieces], [*left.pieces], languages
            )
            above, left = above._replace(pieces=words_above), left._replace(pieces=words_left)
        kind = "" if found.kind == Kind.SOURCE_TARGET else found.kind.value
        parts = (f"sentence {number}", occasion.heading, kind and f"{kind}-attention")
        heading = " · ".join(part for part in parts if part)
        names = found.rows, columns
        of = name_of(self.of)
        figure = heatmap(weights, above, left, heading, lines, *names, self.scale, of)
        name = "-".join([f"sentence-{number}", *kind.split()])
        path = self.folder / occasion.folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = pixels(figure)  # drawn once, for both
        Image.fromarray(image).save(path)
        if self.logger:
            self.logger.image(occasion.step, f"{occasion.tag}/{name}", image)
