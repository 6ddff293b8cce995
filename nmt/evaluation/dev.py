"""What training measures on dev."""

from collections.abc import Mapping
from types import MappingProxyType

from datasets import Dataset

from nmt.attention.mask import padding_mask
from nmt.batches.batch import Batch
from nmt.batches.ids import Ids
from nmt.decoding.decode import Decode
from nmt.evaluation import focus
from nmt.evaluation.explorer import MOMENT, during
from nmt.evaluation.likelihood import batches_of, mean_loss, with_perplexity
from nmt.evaluation.pairs import bleu_of_pairs
from nmt.metrics.bleu import BLEU_OF, bleu_and_chrf
from nmt.metrics.doubts import warn_of_doubts
from nmt.models.attention_maps import attends, attention_maps
from nmt.models.open_heads import num_open, open_heads
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.report.explorer.page import as_json
from nmt.report.gallery import Gallery, Occasion
from nmt.report.logger import Logger
from nmt.run import Translator
from nmt.runs.files import write
from nmt.stages import part

# Suffixes of the names of measures of attention.
KINDS = {Kind.SOURCE_TARGET: "", Kind.ENCODER: "_encoder", Kind.DECODER: "_decoder"}
SCORES = ("loss", "perplexity", "bleu", "chrf")  # the other measures are of attention


class DevEvaluation:
    """Measures a model on the dev split, logs the results, and draws the gallery.

    Args:
        translator: the model with its tokenizers, device and precision.
        dev: the split, with ids.
        decode: how all of dev is translated.
        max_tokens: of a batch of the loss.
        gallery: the sentences that are drawn.
        logger: where the measures go.
        places: which lines of dev belong to each pair of languages; empty: there is one pair.
    """

    def __init__(
        self,
        translator: Translator,
        dev: Dataset,
        decode: Decode,
        max_tokens: int,
        gallery: Gallery,
        logger: Logger,
        places: Mapping[str, range] = MappingProxyType({}),
    ) -> None:
        self.translator = translator
        self.decode = decode
        self.gallery = gallery
        self.logger = logger
        self.places = places
        self.sources: list[str] = list(dev["source"])
        self.references: list[str] = list(dev["target"])
        self.batches = batches_of(Ids.of(dev), max_tokens)
        self.warn([])

    def __call__(self, step: int) -> dict[str, float]:
        """Measure at an update: loss in nats per piece, perplexity, bleu, chrf; bleu per pair."""
        forced = self.forced()
        part(f"step {step:,}  translating dev")
        hypotheses = [best[0].text for best in self.translator(self.sources, self.decode)]
        self.warn(hypotheses)
        language = self.translator.target_language
        measured = {
            **forced,
            **bleu_and_chrf(hypotheses, self.references, language),
            **bleu_of_pairs(hypotheses, self.references, self.places),
        }
        self.logger.log(step, {name_in_log(name): value for name, value in measured.items()})
        self.show(Occasion.update(step))
        return measured

    def show(self, occasion: Occasion) -> None:
        """Draw the sentences of the gallery, and keep their attention for the explorer."""
        gallery = self.gallery
        if gallery.sentences:
            part(f"step {occasion.step:,}  drawing attention")
        best = gallery.draw_hypotheses(occasion)
        if best and attends(self.translator.model):
            moment = during(self.translator, occasion.step, gallery.sentences, best)
            text = as_json(moment)
            folder = gallery.folder / occasion.folder
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / MOMENT, text)
            self.logger.attention(occasion.step, "dev", text)

    def warn(self, hypotheses: list[str]) -> None:
        """Warn once, from one process, of what makes the scores doubtful."""
        if self.translator.ranks.first:
            warn_of_doubts(hypotheses, self.references, self.translator.target_language)

    def forced(self) -> dict[str, float]:
        """Measure under teacher forcing: loss, perplexity, and how attention is spread.

        The latter by :func:`nmt.evaluation.focus.focus`, on the first batch. Models that copy: also
        how much is copied there; heads that can close: how many are open.
        """
        translator = self.translator
        with translator.evaluating():
            measured = with_perplexity(mean_loss(translator, self.batches))
            first = self.batches[0].to(translator.device)
            maps = attention_maps(translator.model, first.source, first.target)
            for found in maps:
                spread = focus.means(focus.measured(found, first))
                measured |= {f"{name}{KINDS[found.kind]}": value for name, value in spread.items()}
            if translator.model.copy:
                measured["copied"] = copied(translator.model, first)
        if opened := open_heads(translator.model):
            measured["open_heads"] = float(sum(map(num_open, opened.values())))
        return measured


def copied(model: Seq2Seq, batch: Batch) -> float:
    """Return the mean probability that is copied where a batch predicts a piece."""
    _, shares = model.features_and_copies(batch.source, batch.target[:, :-1])
    assert shares is not None
    return float(shares.sum(-1)[padding_mask(batch.target[:, 1:])].mean())


def name_in_log(name: str) -> str:
    """Return the name of a measure in the log."""
    score = name in SCORES or name.startswith(BLEU_OF)
    return f"dev/{name}" if score else f"attention/{name}"
