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

from nmt.data.batch import Batch
from nmt.models.seq2seq import Seq2Seq

ROWS = 1024  # of logits that a CPU multiplies at a time, at most
HELD = 2**20  # logits in float32 that it holds at a time


class Loss(NamedTuple):
    """Sums over the target pieces that are not padding, to be divided once, by the whole update."""

    objective: Tensor  # () what training goes down on
    smoothed: Tensor  # () cross-entropy with label smoothing, in nats
    likelihood: Tensor  # () negative log-likelihood in nats, for perplexity
    consistency: Tensor | None = None  # () divergence of two passes in nats; None: there was one
    guided: Tensor | None = None  # () cross-entropy of weights with given links in nats


BatchLoss = Callable[[Seq2Seq, Batch, float], Loss]  # the float: label smoothing


def total(losses: Sequence[Loss]) -> Loss:
    """Add losses up, in float64 and without what gradients need."""

    def add(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts).detach().double().sum()

    passes = [loss.consistency for loss in losses if loss.consistency is not None]
    guided = [loss.guided for loss in losses if loss.guided is not None]
    return Loss(
        add([loss.objective for loss in losses]),
        add([loss.smoothed for loss in losses]),
        add([loss.likelihood for loss in losses]),
        add(passes) if passes else None,
        add(guided) if guided else None,
    )


def batch_loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
    """Sum the loss of every target piece of a batch, under teacher forcing.

    ``smoothing`` is the share of the probability that is spread over all pieces (Szegedy et al.
    2016).
    """
    features = model.features(batch.source, batch.target[:, :-1])  # (B,T,R)
    places = batch.predicted  # (N,)
    x = features.flatten(0, 1)[places]  # (N,R)
    target = batch.target[:, 1:].flatten()[places]  # (N,)
    weight, bias = model.output.weight, model.output.bias
    smoothed, likelihood = cross_entropy(x, weight, bias, target, smoothing)
    return Loss(smoothed, smoothed, likelihood)


def cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sum over N features x (N,R) whose pieces are ``target`` (N,): smoothed and plain."""
    trains = torch.is_grad_enabled()
    return ChunkedCrossEntropy.apply(x, weight, bias, target, smoothing, trains)


def product_dtype(x: Tensor) -> torch.dtype:
    """Return what products are computed in here: autocast's choice, else that of x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


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


def chunks(num: int, matrix: Tensor) -> Iterator[slice]:
    """Cut ``num`` rows of logits, of an output matrix (V,R), into those multiplied at a time.

    On a CPU few, for less memory; a GPU wants large products.
    """
    return slices(num, ROWS if matrix.device.type == "cpu" else 4 * ROWS)


def parts(logits: Tensor) -> Iterator[slice]:
    """Cut logits (C,V) into rows that a CPU holds in its cache, in float32; a GPU takes all."""
    num, vocabulary = logits.shape
    return slices(num, max(1, HELD // vocabulary) if logits.device.type == "cpu" else num)


def slices(num: int, size: int) -> Iterator[slice]:
    """Cut ``num`` into slices of that size, and a rest."""
    return (slice(start, min(start + size, num)) for start in range(0, num, size))


class ChunkedCrossEntropy(torch.autograd.Function):
    """(N,R), (V,R), (V,), (N,) -> smoothed and plain cross-entropy, both summed over N.

    Only the smoothed sum has a gradient. With p = softmax(x W^T + b) and q = (1-ε) onehot + ε/V,
    the gradient at the logits is p - q, of which those at x, W and b are products.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        smoothing: float,
        trains: bool,
    ) -> tuple[Tensor, Tensor]:
        """Compute both sums, and where it trains the gradients while the logits are at hand."""
        low = product_dtype(x)
        matrix = weight.to(low)
        grad_x, grad_w, grad_b = (
            torch.empty_like(x),
            torch.zeros_like(weight),
            torch.zeros_like(bias),
        )
        sums = x.new_zeros(2, dtype=torch.promote_types(low, torch.float32))
        with torch.autocast(x.device.type, enabled=False):
            for rows in chunks(target.size(0), weight):
                piece = x[rows].to(low)
                logits = F.linear(piece, matrix)  # (C,V), and then their gradient
                for part in parts(logits):
                    labels = target[rows][part, None]
                    predicted = Predicted.of(logits[part], bias)
                    sums += torch.cat(predicted.cross_entropy(labels, smoothing), 1).sum(0)
                    if trains:
                        grad = predicted.p.sub_(smoothing / weight.size(0))  # p - q
                        grad.scatter_add_(1, labels, grad.new_full(labels.shape, smoothing - 1))
                        grad_b += grad.sum(0)
                        logits[part] = grad
                if trains:
                    grad_x[rows] = logits @ matrix
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
        return grad_x * scale, grad_w * scale, grad_b * scale, None, None, None
