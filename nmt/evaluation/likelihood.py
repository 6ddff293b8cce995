"""How probable a model finds given translations: the loss and the perplexity of text."""

from collections.abc import Sequence
from math import exp

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.batches.batching import Batches, token_batches
from nmt.batches.ids import Ids
from nmt.data.corpus import Lines
from nmt.data.encode import Encoder
from nmt.models.ensemble import Ensemble
from nmt.models.seq2seq import Seq2Seq
from nmt.run import Translator
from nmt.stages import counted
from nmt.training.loss import batch_loss, predicted_features

LARGEST = 700.0  # nats: the exponential of more is inf


def likelihood(losses: np.ndarray) -> dict[str, float]:
    """Return ``loss`` in nats per piece and ``perplexity`` from the losses of sentences, (N,2)."""
    nats, pieces = losses.sum(0).tolist()
    return with_perplexity(nats / pieces)


def sentence_losses(translator: Translator, lines: Lines, max_tokens: int) -> np.ndarray:
    """Measure each line under teacher forcing: (N,2), nats without label smoothing, and pieces.

    Pieces as in :func:`mean_loss`. Each rank does its share of the work, and all of them return all
    lines. ``max_tokens`` is the size of one side of a batch, padding included.
    """
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode((lines.source, lines.target)))
    batches = list(zip(rows_of(ids, max_tokens), batches_of(ids, max_tokens), strict=True))
    with translator.evaluating():
        own = translator.ranks.mine(batches)
        total = sum(len(rows) for rows, _ in own)
        mine = [
            (rows, losses_of(translator, batch))
            for rows, batch in counted(own, total, lambda one: len(one[0]))
        ]
    found = np.empty((len(ids.lengths()), 2))
    for part in translator.ranks.gathered(mine):
        for rows, losses in part:
            found[rows] = losses
    return found


def losses_of(translator: Translator, batch: Batch) -> np.ndarray:
    """Return nats and pieces of each sentence of a batch, (B,2)."""
    nats = piece_losses(translator.model, batch.to(translator.device)).cpu().double().numpy()
    sentence = batch.predicted.numpy() // (batch.target.size(1) - 1)  # (N,) of each piece
    num = len(batch.target)
    return np.stack([np.bincount(sentence, nats, num), np.bincount(sentence, minlength=num)], 1)


@torch.no_grad()
def piece_losses(model: Seq2Seq, batch: Batch) -> Tensor:
    """Return the negative log-likelihood of each piece that a batch predicts, (N,), in nats."""
    if isinstance(model, Ensemble):  # whose features are log P
        log_p, labels = predicted_features(model, batch)  # (1,N,V), (N,)
        return F.nll_loss(log_p[0], labels, reduction="none")
    pieces = batch_loss(model, batch, smoothing=0.0).pieces
    assert pieces is not None
    return pieces[0]


def mean_loss(translator: Translator, batches: Sequence[Batch]) -> float:
    """Return the negative log-likelihood of the target in nats per piece, without label smoothing.

    A sentence's pieces are those of its best segmentation and eos. Call it inside
    :meth:`Translator.evaluating`; each of the translator's ranks computes its share.
    """
    ranks = translator.ranks
    total, pieces = torch.zeros((), device=translator.device), 0
    own = ranks.mine(batches)
    sizes = [len(batch.target) for batch in own]
    for batch in counted(own, sum(sizes), lambda one: len(one.target)):
        loss = batch_loss(translator.model, batch.to(translator.device), smoothing=0.0)
        total += loss.likelihood
        pieces += batch.num_pieces
    return sum(ranks.gathered(total.item())) / sum(ranks.gathered(pieces))


def with_perplexity(loss: float) -> dict[str, float]:
    """Return a loss per piece and its perplexity, e to the loss."""
    return {"loss": loss, "perplexity": exp(min(loss, LARGEST))}


def batches_of(ids: Ids, max_tokens: int) -> list[Batch]:
    """Cut ids into batches; a pair longer than the budget, which dev may have, gets its own."""
    rows = rows_of(ids, max_tokens)
    return [Batch(ids.source.padded(row), ids.target.padded(row)) for row in rows]


def rows_of(ids: Ids, max_tokens: int) -> Batches:
    """Return which pairs are in each batch of :func:`batches_of`."""
    budget = max(max_tokens, int(ids.lengths().max()))
    return token_batches(ids.lengths(), budget, 0, 0)
