"""What is measured on dev while training runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

import torch
from datasets import Dataset

from nmt.data.batching import token_batches
from nmt.data.loader import Batch, Ids
from nmt.data.ragged import Ragged
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import batch_loss
from nmt.training.runtime import autocast


@dataclass
class DevLoss:
    """Mean negative log-likelihood of a split's target pieces under teacher forcing."""

    split: Dataset
    max_tokens: int

    def __post_init__(self) -> None:
        """Cut the split into batches, once."""
        ids = Ids(
            Ragged.of_column(self.split, "source_ids"), Ragged.of_column(self.split, "target_ids")
        )
        longest = max(self.max_tokens, int(ids.lengths().max()))  # dev is never filtered
        rows = token_batches(ids.lengths(), longest, seed=0, epoch=0)
        self.batches = [Batch(ids.source.padded(r), ids.target.padded(r)) for r in rows]

    def __call__(self, model: Seq2Seq, device: torch.device, precision: torch.dtype) -> float:
        """Return nats a piece; e to this power is the perplexity."""
        total, tokens = torch.zeros((), device=device), 0
        with torch.inference_mode(), autocast(device, precision):
            for batch in self.batches:
                total += batch_loss(model, batch.to(device), smoothing=0.0).likelihood
                tokens += batch.num_pieces
        return total.item() / tokens
