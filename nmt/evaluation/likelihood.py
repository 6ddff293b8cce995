"""How probable a model finds given translations: the loss and the perplexity of text."""

from collections.abc import Sequence
from math import exp

import torch

from nmt.data.batch import Batch
from nmt.data.batching import token_batches
from nmt.data.corpus import Lines
from nmt.data.encode import Encoder
from nmt.data.ids import Ids
from nmt.run import Translator
from nmt.training.loss import batch_loss

LARGEST = 700.0  # nats, whose exponential is still a number


def likelihood(translator: Translator, lines: Lines, max_tokens: int) -> dict[str, float]:
    """Measure lines under teacher forcing: ``loss`` and ``perplexity``, see :func:`mean_loss`.

    ``max_tokens`` is of a batch, a side, padding included.
    """
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    batches = batches_of(Ids.of_table(encode((lines.source, lines.target))), max_tokens)
    with translator.evaluating():
        return with_perplexity(mean_loss(translator, batches))


def mean_loss(translator: Translator, batches: Sequence[Batch]) -> float:
    """Return the negative log-likelihood of the target in nats per piece, without label smoothing.

    A sentence's pieces are those of its best segmentation and eos. In the block of
    :meth:`Translator.evaluating`; each of the translator's ranks computes its share.
    """
    ranks = translator.ranks
    total, pieces = torch.zeros((), device=translator.device), 0
    for batch in ranks.share(batches):
        loss = batch_loss(translator.model, batch.to(translator.device), smoothing=0.0)
        total += loss.likelihood
        pieces += batch.num_pieces
    return sum(ranks.gathered(total.item())) / sum(ranks.gathered(pieces))


def with_perplexity(loss: float) -> dict[str, float]:
    """Return a loss per piece and its perplexity, e to the loss."""
    return {"loss": loss, "perplexity": exp(min(loss, LARGEST))}


def batches_of(ids: Ids, max_tokens: int) -> list[Batch]:
    """Cut ids into batches; a pair longer than the budget, which dev may have, has its own."""
    budget = max(max_tokens, int(ids.lengths().max()))
    rows = token_batches(ids.lengths(), budget, 0, 0)
    return [Batch(ids.source.padded(row), ids.target.padded(row)) for row in rows]
