"""Cross-entropy with label smoothing, straight from the features, without ever holding all logits.

The logits of an update of 4,096 pieces over 8,000 pieces are 131 MB, written and read several
times. Some rows at a time they are multiplied, and few of these at a time, which stay in the cache,
become probabilities and the gradient, on the way forward while they are there.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.batches.batch import Batch
from nmt.hardware.products import product_dtype, rounded
from nmt.models.seq2seq import Seq2Seq

ROWS = 1024  # of logits that a CPU multiplies at a time, at most
MULTIPLE = 128  # where oneDNN multiplies, of these many: kernels for others take long to make
HELD = 2**20  # logits in float32 that it holds at a time


class Loss(NamedTuple):
    """Sums over the target pieces that are not padding, to be divided once, by the whole update."""

    objective: Tensor  # () what training goes down on
    smoothed: Tensor  # () cross-entropy with label smoothing, in nats
    likelihood: Tensor  # () negative log-likelihood in nats, for perplexity
    consistency: Tensor | None = None  # () divergence of two passes in nats; None: there was one
    guided: Tensor | None = None  # () cross-entropy of weights with given links in nats
    penalty: Tensor | None = None  # () what parts of the model add, in nats

    def each(self, change: Callable[[Tensor], Tensor]) -> "Loss":
        """The same loss with each of its sums changed."""
        objective, smoothed, likelihood, *others = self
        found = (None if other is None else change(other) for other in others)
        return Loss(change(objective), change(smoothed), change(likelihood), *found)


BatchLoss = Callable[[Seq2Seq, Batch, float], Loss]  # the float: label smoothing


def total(losses: Sequence[Loss]) -> Loss:
    """Add losses up, in float64 and without what gradients need."""

    def add(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts).detach().double().sum()

    objective, smoothed, likelihood, *others = zip(*losses, strict=True)
    found = ([part for part in column if part is not None] for column in others)
    return Loss(
        *(add(list(column)) for column in (objective, smoothed, likelihood)),
        *(add(parts) if parts else None for parts in found),
    )


def batch_loss(model: Seq2Seq, batch: Batch, smoothing: float, rows: "Rows | None" = None) -> Loss:
    """Sum the loss of every target piece of a batch, under teacher forcing.

    ``smoothing`` is the share of the probability that is spread over all pieces (Szegedy et al.
    2016); ``rows`` as in :func:`cross_entropy`.
    """
    x, target = predicted_features(model, batch)
    weight, bias = model.output.weight, model.output.bias
    smoothed, likelihood = cross_entropy(x, weight, bias, target, smoothing, batch.whole, rows)
    return Loss(smoothed, smoothed, likelihood)


def predicted_features(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return features (N,R) of the places to predict, under teacher forcing, and targets (N,)."""
    features = model.features(batch.source, batch.target[:, :-1])  # (B,T,R)
    places = batch.predicted  # (N,)
    return features.flatten(0, 1)[places], batch.target[:, 1:].flatten()[places]


def cross_entropy(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    smoothing: float,
    padding: bool = False,
    rows: "Rows | None" = None,
) -> tuple[Tensor, Tensor]:
    """Sum over N features x (N,R) whose pieces are ``target`` (N,): smoothed and plain.

    With ``padding`` there may be padding among the pieces, which adds nothing. ``rows`` does what
    :func:`rows_in_place`, the default, does where there is a gradient.
    """
    rows = (rows or rows_in_place) if torch.is_grad_enabled() else without_gradient
    return ChunkedCrossEntropy.apply(x, weight, bias, target, smoothing, padding, rows)


class Predicted(NamedTuple):
    """What the model says of some pieces, C rows of V."""

    logits: Tensor  # (...,C,V)
    log_sum: Tensor  # (...,C,1) log Σ exp(logits): log p = logits - log_sum
    p: Tensor  # (...,C,V)

    @classmethod
    def of(cls, logits: Tensor, bias: Tensor) -> "Predicted":
        """From the logits without their bias (...,C,V), in any precision; they are used up.

        The exponentials, which take longest, are computed once, in softmax's own kernel. What they
        were divided by is found again at the largest of each row.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).add_(bias)
        p = logits.softmax(-1)
        return cls(logits, logits.amax(-1, keepdim=True) - p.amax(-1, keepdim=True).log(), p)

    def cross_entropy(self, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """With the distribution (1-ε) onehot + ε/V and with onehot, of labels (C,1): (...,C,1)."""
        plain = self.log_sum - self.logits.gather(-1, labels)
        even = self.log_sum - self.logits.mean(-1, keepdim=True)
        return (1 - smoothing) * plain + smoothing * even, plain


Rows = Callable[[Tensor, Tensor, Tensor, float, bool], tuple[Tensor, Tensor]]


def rows_in_place(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> tuple[Tensor, Tensor]:
    """Turn logits (C,V), without their bias (V,), into the gradient of the smoothed cross-entropy.

    labels (C,1). With p = softmax(logits + bias) and q = (1-ε) onehot + ε/V it is p - q. Returns
    the cross-entropies (C,2), smoothed and plain, and the gradient of the bias (V,).
    """
    predicted = Predicted.of(logits, bias)
    entropies = torch.cat(predicted.cross_entropy(labels, smoothing), 1)
    grad = predicted.p.sub_(smoothing / logits.size(1))
    grad.scatter_add_(1, labels, grad.new_full(labels.shape, smoothing - 1))
    if padding:
        real = labels != PAD
        entropies *= real
        grad *= real
    logits.copy_(grad)
    return entropies, grad.sum(0)


def rows_in_one_pass(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> tuple[Tensor, Tensor]:
    """As :func:`rows_in_place`, written for torch.compile, which makes few kernels of it."""
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
    return torch.cat([smoothed, plain], 1) * real, grad.sum(0, dtype=x.dtype)


def without_gradient(
    logits: Tensor, bias: Tensor, labels: Tensor, smoothing: float, padding: bool
) -> tuple[Tensor, Tensor]:
    """Return the same cross-entropies, and no gradient; the logits are used up."""
    entropies = torch.cat(Predicted.of(logits, bias).cross_entropy(labels, smoothing), 1)
    return entropies * (labels != PAD) if padding else entropies, torch.zeros_like(bias)


def chunks(num: int, matrix: Tensor) -> Iterator[slice]:
    """Cut ``num`` rows of logits, of an output matrix (V,R), into those multiplied at a time.

    On a CPU few, for less memory; a GPU wants large products.
    """
    return slices(num, ROWS if matrix.device.type == "cpu" else 4 * ROWS)


def parts(num: int, matrix: Tensor) -> Iterator[slice]:
    """Cut ``num`` rows of logits into those that a CPU holds in its cache, in float32.

    A GPU takes all.
    """
    return slices(num, max(1, HELD // len(matrix)) if matrix.device.type == "cpu" else num)


def slices(num: int, size: int) -> Iterator[slice]:
    """Cut ``num`` into slices of that size, and a rest."""
    return (slice(start, min(start + size, num)) for start in range(0, num, size))


class ChunkedCrossEntropy(torch.autograd.Function):
    """(N,R), (V,R), (V,), (N,) -> smoothed and plain cross-entropy, both summed over N.

    Only the smoothed sum has a gradient. Those at x, W and b are products of that at the logits,
    which `rows` finds.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        smoothing: float,
        padding: bool,
        rows: Rows,
    ) -> tuple[Tensor, Tensor]:
        """Compute both sums, and where it trains the gradients while the logits are at hand."""
        trains = rows is not without_gradient
        low = product_dtype(x)
        matrix = weight.to(low)
        grad_x, grad_w, grad_b = (
            torch.empty_like(x),
            torch.zeros_like(weight),
            torch.zeros_like(bias),
        )
        sums = x.new_zeros(2, dtype=torch.promote_types(low, torch.float32))
        with torch.autocast(x.device.type, enabled=False):
            for some in chunks(target.size(0), weight):
                labels = target[some, None]  # (C,1)
                num = len(labels)
                piece = rounded(x[some], low, MULTIPLE)  # (C',R)
                logits = F.linear(piece, matrix)  # (C',V), and then their gradient
                for part in parts(num, matrix):
                    given = logits[part], bias, labels[part]
                    entropies, of_bias = rows(*given, smoothing, padding)
                    sums += entropies.sum(0)
                    grad_b += of_bias
                if trains:
                    logits[num:] = 0
                    grad_x[some] = (logits @ matrix)[:num]
                    grad_w += logits.mT @ piece
        smoothed, likelihood = sums
        ctx.save_for_backward(grad_x, grad_w, grad_b)
        ctx.mark_non_differentiable(likelihood)
        return smoothed, likelihood

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that are already there."""
        grad_x, grad_w, grad_b = ctx.saved_tensors
        scale = grads[0]
        return grad_x * scale, grad_w * scale, grad_b * scale, None, None, None, None
