"""Consistency training: two passes over the same batch, which have to predict the same.

Each class is a loss in the place of :func:`nmt.training.loss.batch_loss`, chosen by
``consistency=``. Both passes are one forward of the doubled batch, so an update takes twice the
time and memory.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.errors import at_least, share
from nmt.hardware.products import product_dtype, rounded
from nmt.models.embedding import token_cutoff
from nmt.models.seq2seq import Seq2Seq
from nmt.training.loss import MULTIPLE, Loss, Predicted, chunks, parts


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
    """Sum the loss of two passes over a batch; see :class:`ChunkedPair`."""
    source, target = (ids.repeat(2, 1) for ids in (batch.source, batch.target))
    places = batch.predicted  # (N,)
    features = model.features(source, target[:, :-1])  # (2B,T,R)
    x = features.unflatten(0, (2, -1)).flatten(1, 2)[:, places]  # (2,N,R)
    labels = batch.target[:, 1:].flatten()[places]  # (N,)
    output = model.output
    sums = ChunkedPair.apply(
        x, output.weight, output.bias, labels, smoothing, shares, weight, batch.whole
    )
    return Loss(*sums)


class ChunkedPair(torch.autograd.Function):
    """Σᵢ shareᵢ · (CEᵢ + weight · KL(pᵢ‖pⱼ)) of two passes i, j, summed over N pieces.

    With ``padding`` there may be padding among the pieces, which adds nothing.

    (2,N,R), (V,R), (V,), (N,) -> that objective, and without gradients its parts: the smoothed and
    the plain cross-entropy Σᵢ shareᵢ CEᵢ, and the divergence Σᵢ shareᵢ KL(pᵢ‖pⱼ), each ().

    As in :class:`nmt.training.loss.ChunkedCrossEntropy` the gradient is computed on the way
    forward. With q = (1-ε) onehot + ε/V and l the logits,

        ∂CEᵢ/∂lᵢ = pᵢ - q
        ∂KL(pᵢ‖pⱼ)/∂lᵢ = pᵢ · (log pᵢ - log pⱼ - KL(pᵢ‖pⱼ))
        ∂KL(pᵢ‖pⱼ)/∂lⱼ = pⱼ - pᵢ
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        bias: Tensor,
        target: Tensor,
        smoothing: float,
        shares: tuple[float, float],
        weight: float,
        padding: bool,
    ) -> tuple[Tensor, ...]:
        """Compute the sums, and the gradients while the logits are at hand."""
        low = product_dtype(x)
        low_matrix = matrix.to(low)
        grad_x, grad_m, grad_b = (
            torch.empty_like(x),
            torch.zeros_like(matrix),
            torch.zeros_like(bias),
        )
        # smoothed, likelihood, divergence
        sums = x.new_zeros(3, dtype=torch.promote_types(low, torch.float32))
        with torch.autocast(x.device.type, enabled=False):
            for rows in chunks(target.size(0), matrix):
                of_rows = target[rows, None]  # (C,1)
                num = len(of_rows)
                piece = torch.stack([rounded(one, low, MULTIPLE) for one in x[:, rows]])  # (2,C',R)
                logits = F.linear(piece, low_matrix)  # (2,C',V), and then their gradient
                for part in parts(num, matrix):
                    labels = of_rows[part]  # (c,1)
                    real = labels != PAD  # (c,1)
                    predicted = Predicted.of(logits[:, part], bias)
                    entropies = predicted.cross_entropy(labels.expand(2, -1, -1), smoothing)
                    p = predicted.p
                    logp = predicted.logits.sub_(predicted.log_sum)  # (2,c,V)
                    apart = logp[0] - logp[1]  # (c,V)
                    for i, j, sign in ((0, 1, 1), (1, 0, -1)):  # sign · apart = log pᵢ - log pⱼ
                        own = weight * shares[i]  # of KL(pᵢ‖pⱼ)
                        other = weight * shares[j]  # of KL(pⱼ‖pᵢ)
                        divergence = sign * (p[i] * apart).sum(1, keepdim=True)  # (c,1)
                        smoothed, nll = (one[i] for one in entropies)
                        found = torch.cat([smoothed, nll, divergence], 1)  # (c,3)
                        sums += shares[i] * (found * real if padding else found).sum(0)

                        # ∂/∂lᵢ, the terms with pᵢ together, pⱼ's, and q's
                        of_row = shares[i] + other - own * divergence
                        grad = torch.add(of_row, apart, alpha=sign * own).mul_(p[i])
                        grad.sub_(p[j], alpha=other).sub_(shares[i] * smoothing / grad.size(1))
                        onehot = grad.new_full(labels.shape, shares[i] * (smoothing - 1))
                        grad.scatter_add_(1, labels, onehot)
                        if padding:
                            grad *= real
                        grad_b += grad.sum(0)
                        logits[i, part] = grad
                logits[:, num:] = 0
                grad_x[:, rows] = (logits @ low_matrix)[:, :num]
                grad_m += logits.flatten(0, 1).mT @ piece.flatten(0, 1)
        ctx.save_for_backward(grad_x, grad_m, grad_b)
        smoothed, likelihood, divergence = sums
        ctx.mark_non_differentiable(smoothed, likelihood, divergence)
        return smoothed + weight * divergence, smoothed, likelihood, divergence

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that are already there."""
        grad_x, grad_m, grad_b = ctx.saved_tensors
        scale = grads[0]
        return grad_x * scale, grad_m * scale, grad_b * scale, None, None, None, None, None
