"""How much worse a model is without each of its heads."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from nmt.data.corpus import Lines
from nmt.decoding.decode import Decode
from nmt.evaluation.likelihood import likelihood, sentence_losses
from nmt.metrics.bleu import score
from nmt.models.seq2seq import Kind
from nmt.models.without import Head, heads_of, without
from nmt.run import Translator

Measured = Callable[[Translator, Lines, Decode], float]


class Lost(NamedTuple):
    """A head, the measure without it, and how much worse that is."""

    head: Head
    value: float
    lost: float  # below 0: the model is better without it


class Measure(NamedTuple):
    """What is measured."""

    unit: str
    of: Measured
    sign: int  # 1: higher is worse


def loss(translator: Translator, lines: Lines, decode: Decode) -> float:
    """Return the loss of the references in nats per piece."""
    return likelihood(sentence_losses(translator, lines, decode.batch_tokens))["loss"]


def bleu(translator: Translator, lines: Lines, decode: Decode) -> float:
    """Return the BLEU of the translations."""
    hypotheses = [best[0].text for best in translator(lines.source, decode)]
    return score(hypotheses, lines.target, translator.target_language)["bleu"]


MEASURES = {"loss": Measure("nats per piece", loss, 1), "bleu": Measure("BLEU", bleu, -1)}


def without_each(
    translator: Translator, lines: Lines, decode: Decode, measure: Measure, whole: float
) -> Iterator[Lost]:
    """Yield how much is lost without each head; ``whole`` is the measure with all heads."""
    for head in heads_of(translator.model):
        with without(translator.model, [head]):
            value = measure.of(translator, lines, decode)
        yield Lost(head, value, measure.sign * (value - whole))


def by_layers(lost: list[Lost]) -> Mapping[Kind, np.ndarray]:
    """Arrange the losses as layers × heads, (L,H) of each kind, NaN for a missing head."""
    found: dict[Kind, np.ndarray] = {}
    for kind in dict.fromkeys(one.head.kind for one in lost):
        own = [one for one in lost if one.head.kind == kind]
        shape = max(one.head.layer for one in own), max(one.head.head for one in own)
        found[kind] = np.full(shape, np.nan)
        for one in own:
            found[kind][one.head.layer - 1, one.head.head - 1] = one.lost
    return found
