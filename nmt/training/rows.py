"""Losses of some rows of logits, and their gradients.

The rows are few enough to stay in the cache between the steps. Each function of the kind ``Rows``
overwrites logits with the gradient of its loss.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.models.copying import share_of_vocabulary, with_copies

RARE = -60.0  # log-probability below which a piece has no larger gradient

# Logits (P,C,V) of P passes, without their bias (V,), and labels (C,1), the share of smoothing, and
# whether there is padding among the labels, which adds nothing. The logits become the gradient.
# With copying also how much of each source piece is copied (C,S), and its id (C,S).
Rows = Callable[..., "Lost"]


class Lost(NamedTuple):
    """The contribution of some rows to the loss."""

    sums: Tensor  # (≤4,) first what training minimizes
    of_bias: Tensor | None  # (V,) its gradient; None: no gradient here nor at the logits
    pieces: Tensor  # (P,C) negative log-likelihood of each label, in nats
    of_copied: Tensor | None = None  # (C,S) the gradient at what is copied


class Predicted(NamedTuple):
    """The predictions of a model for some pieces, and their losses with given labels."""

    p: Tensor  # (...,C,V)
    logits: Tensor  # (...,C,V)
    log_sum: Tensor  # (...,C,1) log Σ exp(logits): log p = logits - log_sum
    smoothed: Tensor  # (...,C,1) cross-entropy with (1-ε) onehot + ε/V
    plain: Tensor  # (...,C,1) with onehot


def predicted(logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float) -> Predicted:
    """From logits without their bias (...,C,V), in any precision, and labels (C,1).

    The exponentials, which take longest, are computed once, in the kernel of softmax. Their divisor
    is recovered from the largest entry of each row.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).add_(bias)
    p = logits.softmax(-1)
    log_sum = logits.amax(-1, keepdim=True) - p.amax(-1, keepdim=True).log()
    plain = log_sum - logits.gather(-1, labels.expand(*logits.shape[:-1], 1))
    even = log_sum - logits.mean(-1, keepdim=True)
    return Predicted(p, logits, log_sum, (1 - smoothing) * plain + smoothing * even, plain)


def rows_in_place(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> Lost:
    """Smoothed and plain cross-entropy (2,) of one pass.

    With p = softmax(logits + bias) and q = (1-ε) onehot + ε/V the gradient is p - q.
    """
    logits = logits[0]  # (C,V)
    found = predicted(logits, bias, labels, smoothing)
    entropies = torch.cat([found.smoothed, found.plain], 1)
    grad = found.p.sub_(smoothing / logits.size(1))
    grad.scatter_add_(1, labels, grad.new_full(labels.shape, smoothing - 1))
    if padding:
        real = labels != PAD
        entropies *= real
        grad *= real
    logits.copy_(grad)
    return Lost(entropies.sum(0), grad.sum(0), entropies[None, :, 1])


def rows_in_one_pass(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> Lost:
    """As :func:`rows_in_place`, written for torch.compile, which fuses it into few kernels."""
    logits = logits[0]  # (C,V)
    x = logits.to(torch.promote_types(logits.dtype, torch.float32)) + bias
    num_pieces = x.size(1)
    real = labels != PAD if padding else torch.ones_like(labels, dtype=torch.bool)
    log_sum = x.logsumexp(1, keepdim=True)
    plain = log_sum - x.gather(1, labels)
    smoothed = (1 - smoothing) * plain + smoothing * (log_sum - x.mean(1, keepdim=True))
    onehot = torch.arange(num_pieces, device=x.device) == labels
    q = torch.where(onehot, 1 - smoothing, 0.0) + smoothing / num_pieces
    grad = torch.where(real, (x - log_sum).exp() - q, 0.0).to(logits.dtype)
    logits.copy_(grad)
    entropies = torch.cat([smoothed, plain], 1) * real  # (C,2)
    return Lost(entropies.sum(0), grad.sum(0, dtype=x.dtype), entropies[None, :, 1])


def without_gradient(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> Lost:
    """Smoothed and plain cross-entropy (2,) of one pass, and no gradient."""
    found = predicted(logits[0], bias, labels, smoothing)
    entropies = torch.cat([found.smoothed, found.plain], 1)
    if padding:
        entropies *= labels != PAD
    return Lost(entropies.sum(0), None, entropies[None, :, 1])


def rows_with_copies(
    logits: Tensor,
    bias: Tensor,
    labels: Tensor,
    smoothing: float,
    padding: bool,
    copied: Tensor,
    ids: Tensor,
    *,
    trains: bool,
) -> Lost:
    """As :func:`rows_in_place`, with copied probability; see :class:`Copy`.

    m = g p + c, g = 1 - Σ c, where ``copied`` c_j (C,S) belongs to the piece ``ids`` (C,S), and a
    piece has it at one place j alone. With r = g p / m, which is 1 except for copied pieces, the
    cross-entropy -Σ q log m has the gradients p Σ (q r) - q r at the logits, and at c_j
    Σ (q r) / g - q / m.
    """
    logits = logits[0]  # (C,V)
    found = predicted(logits, bias, labels, smoothing)
    num_pieces = logits.size(1)
    share = share_of_vocabulary(copied)  # g (C,1)
    alone = found.logits.gather(1, ids) - found.log_sum + share.log()  # log g p (C,S)
    m = with_copies(alone, copied)
    log_r = alone - m
    is_label = ids == labels
    of_label = (copied * is_label).sum(1, keepdim=True)  # (C,1)
    plain = -with_copies(share.log() - found.plain, of_label)
    even = found.log_sum - found.logits.mean(1, keepdim=True) - share.log()
    even = even + log_r.sum(1, keepdim=True) / num_pieces
    entropies = torch.cat([(1 - smoothing) * plain + smoothing * even, plain], 1)
    real = labels != PAD if padding else torch.ones_like(labels, dtype=torch.bool)
    entropies *= real
    if not trains:
        return Lost(entropies.sum(0), None, entropies[None, :, 1])
    q = is_label.to(m.dtype) * (1 - smoothing) + smoothing / num_pieces  # at the copied pieces
    by_copy = q * -log_r.expm1()  # q (1 - r)
    total = 1 - by_copy.sum(1, keepdim=True)  # Σ q r
    grad = found.p.mul_(total).sub_(smoothing / num_pieces)
    grad.scatter_add_(1, labels, grad.new_full(labels.shape, smoothing - 1))
    grad.scatter_add_(1, ids, by_copy)
    grad *= real
    of_copied = (total / share - q * (-m.clamp(min=RARE)).exp()) * real
    logits.copy_(grad)
    return Lost(entropies.sum(0), grad.sum(0), entropies[None, :, 1], of_copied)


def rows_of_two(
    logits: Tensor,
    bias: Tensor,
    labels: Tensor,
    smoothing: float,
    padding: bool,
    *,
    shares: tuple[float, float],
    weight: float,
) -> Lost:
    """The losses of two passes i, j, and how much they differ.

    The objective Σᵢ shareᵢ (CEᵢ + weight · KL(pᵢ‖pⱼ)), and its parts Σᵢ shareᵢ CEᵢ, smoothed and
    plain, and Σᵢ shareᵢ KL(pᵢ‖pⱼ): (4,). With q as in :func:`rows_in_place` and l the logits,

        ∂CEᵢ/∂lᵢ = pᵢ - q
        ∂KL(pᵢ‖pⱼ)/∂lᵢ = pᵢ · (log pᵢ - log pⱼ - KL(pᵢ‖pⱼ))
        ∂KL(pᵢ‖pⱼ)/∂lⱼ = pⱼ - pᵢ
    """
    found = predicted(logits, bias, labels, smoothing)
    p = found.p
    logp = found.logits.sub_(found.log_sum)  # (2,C,V)
    apart = logp[0] - logp[1]  # (C,V)
    real = labels != PAD  # (C,1)
    sums, grad_b = bias.new_zeros(3, dtype=p.dtype), torch.zeros_like(bias)
    for i, j, sign in ((0, 1, 1), (1, 0, -1)):  # sign · apart = log pᵢ - log pⱼ
        own = weight * shares[i]  # of KL(pᵢ‖pⱼ)
        other = weight * shares[j]  # of KL(pⱼ‖pᵢ)
        divergence = sign * (p[i] * apart).sum(1, keepdim=True)  # (C,1)
        lost = torch.cat([found.smoothed[i], found.plain[i], divergence], 1)  # (C,3)
        sums += shares[i] * (lost * real if padding else lost).sum(0)

        # ∂/∂lᵢ, the terms with pᵢ together, pⱼ's, and q's
        of_row = shares[i] + other - own * divergence
        grad = torch.add(of_row, apart, alpha=sign * own).mul_(p[i])
        grad.sub_(p[j], alpha=other).sub_(shares[i] * smoothing / grad.size(1))
        grad.scatter_add_(1, labels, grad.new_full(labels.shape, shares[i] * (smoothing - 1)))
        if padding:
            grad *= real
        grad_b += grad.sum(0)
        logits[i] = grad
    objective = sums[0] + weight * sums[2]  # ()
    pieces = found.plain.squeeze(2)  # (2,C)
    if padding:
        pieces = pieces * real.squeeze(1)
    return Lost(torch.cat([objective.unsqueeze(0), sums]), grad_b, pieces)
