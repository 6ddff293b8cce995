"""What the decoder reads in training: the reference, or partly its own predictions.

Under teacher forcing a model reads the reference. In translation it reads its own pieces, from
which it has never learned to continue: exposure bias. Each class here is a teacher, chosen by
``teacher=``, that replaces some of the pieces that a batch reads by the model's own. The reference
stays what is to be predicted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.errors import above_zero, at_most, share
from nmt.models.seq2seq import Seq2Seq

Teacher = Callable[[Seq2Seq, Batch, float], Batch]  # the float: the used share of the training


def forcing(_model: Seq2Seq, batch: Batch, _progress: float) -> Batch:
    """Teacher forcing: the decoder reads the reference alone."""
    return batch


class OwnPieces(ABC):
    """A teacher that replaces a growing share of the pieces that are read, but never bos.

    ``share`` of them in the end, drawn piece by piece. It grows linearly up to ``until``, a share
    of the training, and then stays: the linear decay of Bengio et al. 2015, section 2.4. Own pieces
    are drawn from the predictions of the model in training mode, and no gradient goes through the
    draw.
    """

    def __init__(self, share: float, until: float) -> None:
        check(share, until)
        self.share = share
        self.until = until

    def __call__(self, model: Seq2Seq, batch: Batch, progress: float) -> Batch:
        """Return the batch, reading own pieces; ``progress`` is the used share of the training."""
        now = self.share * min(1.0, progress / self.until)
        if now == 0:
            return batch
        reference = batch.target[:, :-1]  # (B,T)
        own = torch.rand(reference.shape, device=reference.device) < now
        own[:, 0] = False
        with torch.no_grad():
            return batch._replace(read=self.mixed(model, batch.source, reference, own))

    @abstractmethod
    def mixed(self, model: Seq2Seq, source: Tensor, reference: Tensor, own: Tensor) -> Tensor:
        """Return ``reference`` (B,T) with pieces of the model's own where ``own`` (B,T) is true."""


class ScheduledSampling(OwnPieces):
    """Scheduled sampling (Bengio et al. 2015): each own piece follows what was read before it.

    Position by position, so it takes about as long as a translation of the batch, for any model.
    """

    def mixed(self, model: Seq2Seq, source: Tensor, reference: Tensor, own: Tensor) -> Tensor:
        memory = model.encode(source)
        state = model.start(memory)
        found = [reference[:, :1]]
        for own_here, piece in zip(own[:, 1:].T, reference[:, 1:].T, strict=True):
            logits, state = model.step(found[-1], state, memory)  # (B,1,V)
            found.append(torch.where(own_here, drawn(logits)[:, 0], piece)[:, None])
        return torch.cat(found, 1)


class TwoPasses(OwnPieces):
    """Parallel scheduled sampling (Mihaylova and Martins 2019): own pieces of one forced pass.

    An own piece continues the reference, not the own pieces before it. So a Transformer needs one
    more forward pass, and not one for each position. In the paper the gradient goes through both
    passes; here only through the second.
    """

    def mixed(self, model: Seq2Seq, source: Tensor, reference: Tensor, own: Tensor) -> Tensor:
        pieces = drawn(model(source, reference))  # (B,T), of the position after each
        return torch.cat(
            [reference[:, :1], torch.where(own[:, 1:], pieces[:, :-1], reference[:, 1:])], 1
        )


def drawn(logits: Tensor) -> Tensor:
    """Draw a piece from each prediction, (B,T,V) -> (B,T): the largest of z - ln e, e from Exp(1).

    It is a draw from softmax(z) (Gumbel 1954); it is a valid id even if logits are not finite.
    """
    z = logits.float()
    return (z - torch.empty_like(z).exponential_().log()).argmax(-1)


def check(own: float, until: float) -> None:
    """Raise UserError for shares that are not between 0 and 1."""
    share({"teacher.share": own})
    above_zero({"teacher.until": until})
    at_most(1, {"teacher.until": until})
