"""Consistency training: two passes over the same batch should predict the same.

Each class is a loss that replaces :func:`nmt.training.loss.batch_loss`, chosen by
``consistency=``. Both passes are one forward of the doubled batch, so an update takes twice the
time and memory.
"""

from functools import partial

from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.errors import at_least, share
from nmt.models.embedding import token_cutoff
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import Loss, SummedLoss, predicted_features
from nmt.training.rows import rows_of_two


class RDrop:
    """R-Drop (Liang, Wu et al. 2021, arXiv 2106.14448): two passes differ in their dropout.

    Half of the paper's eq. 4, so that the cross-entropy stays comparable and ``weight`` is its α:
    (CE₁ + CE₂) / 2 + α/2 · (KL(p₁‖p₂) + KL(p₂‖p₁)) / 2, the gradient through both sides.
    """

    def __init__(self, weight: float) -> None:
        at_least(0, {"consistency.weight": weight})
        self.weight = weight

    def __call__(self, model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of every target piece of a batch, under teacher forcing."""
        return pair_loss(model, batch, smoothing, (0.5, 0.5), self.weight / 2)


class SimCut:
    """SimCut (Gao et al. 2022, arXiv 2206.02368): the second pass lacks pieces on both sides.

    CE₁ + α · KL(p₁‖p₂), α being ``weight`` and ``cutoff`` the share of the pieces that the second
    pass lacks. The gradient goes through both sides, which the paper found to matter; eos of the
    source and bos of the target stay, as in the authors' code.
    """

    def __init__(self, weight: float, cutoff: float) -> None:
        at_least(0, {"consistency.weight": weight})
        share({"consistency.cutoff": cutoff})
        self.weight = weight
        self.cutoff = cutoff

    def __call__(self, model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of every target piece of a batch, under teacher forcing."""
        second = batch.source.size(0)  # the row where the second pass begins
        with token_cutoff(model, self.cutoff, second, kept=(BOS, EOS)):
            return pair_loss(model, batch, smoothing, (1.0, 0.0), self.weight)


def pair_loss(
    model: Seq2Seq, batch: Batch, smoothing: float, shares: tuple[float, float], weight: float
) -> Loss:
    """Sum the loss of two passes over a batch; see :func:`nmt.training.rows.rows_of_two`."""
    x, target = predicted_features(model, batch, passes=2)
    output = model.output
    rows = partial(rows_of_two, shares=shares, weight=weight)
    *sums, pieces = SummedLoss.apply(
        x, output.weight, output.bias, target, smoothing, batch.whole, rows
    )
    return Loss(*sums, pieces=pieces)
