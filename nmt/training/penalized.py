"""What parts of a model add to the loss of its translations, such as a price for open heads."""

import torch

from nmt.attention.mask import PAD
from nmt.attention.penalty import penalized, record_penalties
from nmt.batches.batch import Batch
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import BatchLoss, Loss


def with_penalties(loss: BatchLoss, model: Seq2Seq) -> BatchLoss:
    """Return the loss with the penalties of the model's parts; the same loss if none has any."""
    return WithPenalties(loss) if penalized(model) else loss


class WithPenalties:
    """The loss inside, and the sum of the parts' penalties for each target piece.

    A penalty is per piece, like the cross-entropy, so it does not depend on how the pieces of an
    update are spread over batches and processes.
    """

    def __init__(self, loss: BatchLoss) -> None:
        self.loss = loss

    def __call__(self, model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of every target piece of a batch, under teacher forcing."""
        with record_penalties(model) as recorded:
            loss = self.loss(model, batch, smoothing)
        each = torch.stack([penalty for (penalty,) in recorded]).sum()  # () per piece
        penalty = each * (batch.target[:, 1:] != PAD).sum()
        return loss._replace(objective=loss.objective + penalty, penalty=penalty)
