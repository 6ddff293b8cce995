"""The loss, computed from the features without ever holding all logits.

The logits of an update of 4,096 pieces with a vocabulary of 8,000 take 131 MB, which would be
written and read several times. Here some rows at a time are multiplied. Few of these at a time,
which stay in the cache, become probabilities and gradients, already in the forward pass.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.hardware.products import product_dtype, rounded
from nmt.hardware.runtime import widest
from nmt.models.seq2seq import Seq2Seq
from nmt.training.rows import Rows, rows_in_place, rows_with_copies, without_gradient

ROWS = 1024  # most logits rows that a CPU multiplies at a time
MULTIPLE = 128  # with oneDNN, a multiple of this: it takes long to make kernels for others
HELD = 2**20  # logits in float32 that it holds at a time


class Loss(NamedTuple):
    """Sums over the target pieces that are not padding, to be divided once, by the whole update."""

    objective: Tensor  # () what training minimizes
    smoothed: Tensor  # () cross-entropy with label smoothing, in nats
    likelihood: Tensor  # () negative log-likelihood in nats, for perplexity
    consistency: Tensor | None = None  # () divergence of two passes in nats; None: there was one
    guided: Tensor | None = None  # () cross-entropy of weights with given links in nats
    penalty: Tensor | None = None  # () what parts of the model add, in nats
    pieces: Tensor | None = None  # (P,N) negative log-likelihood of each, in P passes; in no total


BatchLoss = Callable[[Seq2Seq, Batch, float], Loss]  # the float: label smoothing


def total(losses: Sequence[Loss]) -> Loss:
    """Add losses, as exactly as the device can, without their graphs of gradients."""

    def add(parts: list[Tensor]) -> Tensor:
        stacked = torch.stack(parts).detach()
        return stacked.sum(dtype=widest(stacked.device))

    objective, smoothed, likelihood, *others, _ = zip(*losses, strict=True)
    found = ([part for part in column if part is not None] for column in others)
    return Loss(
        *(add(list(column)) for column in (objective, smoothed, likelihood)),
        *(add(parts) if parts else None for parts in found),
    )


def batch_loss(model: Seq2Seq, batch: Batch, smoothing: float, rows: Rows = rows_in_place) -> Loss:
    """Sum the loss of every target piece of a batch, under teacher forcing.

    ``smoothing`` is the share of the probability that is spread over all pieces (Szegedy et al.
    2016). ``rows`` computes the loss and its gradient for some rows of logits; if no gradient is
    needed, :func:`without_gradient` does it.
    """
    x, target, *copies = predicted_features(model, batch)
    weight, bias = model.output.weight, model.output.bias
    trains = torch.is_grad_enabled()
    if copies:
        rows = partial(rows_with_copies, trains=trains)
    elif not trains:
        rows = without_gradient
    smoothed, likelihood, *_, pieces = SummedLoss.apply(
        x, weight, bias, target, smoothing, batch.whole, rows, *copies
    )
    return Loss(smoothed, smoothed, likelihood, pieces=pieces)


def predicted_features(model: Seq2Seq, batch: Batch, passes: int = 1) -> tuple[Tensor, ...]:
    """Return features (P,N,R) of the places to predict, under teacher forcing, and targets (N,).

    All passes are one forward pass over copies of the batch. A model that copies makes one pass;
    then this also returns how much of each source piece is copied there (N,S), and its id (N,S).
    """
    source, read = batch.source.repeat(passes, 1), batch.inputs.repeat(passes, 1)
    features, copied = model.features_and_copies(source, read)  # (P·B,T,R)
    places = batch.predicted  # (N,)
    x = features.unflatten(0, (passes, -1)).flatten(1, 2)[:, places]  # (P,N,R)
    labels = batch.target[:, 1:].flatten()[places]
    if copied is None:
        return x, labels
    assert passes == 1, "two passes with copies are refused"
    return x, labels, copied.flatten(0, 1)[places], source[places // read.size(1)]


class SummedLoss(torch.autograd.Function):
    """(P,N,R), (V,R), (V,), (N,) -> losses of N pieces in P passes: four sums (), and each (P,N).

    Takes the features of the passes, the output layer, and the target pieces, which may include
    padding if ``padding``. ``rows`` decides what is summed, and which of the four exist. Only the
    first has a gradient; those at x, W and b are products of the one at the logits. After ``rows``
    may come the copied shares and their ids, (N,S) both.
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
        copied: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Compute the sums, and in training the gradients, too, while the logits exist."""
        low = product_dtype(x)
        matrix = weight.to(low)
        grad_x, grad_w, grad_b = (
            torch.empty_like(x),
            torch.zeros_like(weight),
            torch.zeros_like(bias),
        )
        sums = x.new_zeros(4, dtype=torch.promote_types(low, torch.float32))
        pieces = sums.new_empty(x.shape[:2])
        grad_copied = None if copied is None else torch.zeros_like(copied)
        with torch.autocast(x.device.type, enabled=False):
            for some in chunks(target.size(0), weight):
                labels = target[some, None]  # (C,1)
                num = len(labels)
                piece = rounded(x[:, some], low, MULTIPLE)  # (P,C',R)
                logits = F.linear(piece, matrix)  # (P,C',V), and then their gradient
                trains = True
                for part in parts(num, matrix):
                    beside = [one[some][part] for one in (copied, ids) if one is not None]
                    lost = rows(logits[:, part], bias, labels[part], smoothing, padding, *beside)
                    sums[: len(lost.sums)] += lost.sums
                    pieces[:, some][:, part] = lost.pieces
                    trains = lost.of_bias is not None
                    if lost.of_bias is not None:
                        grad_b += lost.of_bias
                    if grad_copied is not None and lost.of_copied is not None:
                        grad_copied[some][part] = lost.of_copied
                if trains:
                    logits[:, num:] = 0
                    grad_x[:, some] = (logits @ matrix)[:, :num]
                    grad_w += logits.flatten(0, 1).mT @ piece.flatten(0, 1)
        ctx.save_for_backward(grad_x, grad_w, grad_b, grad_copied)
        objective, *others = sums
        ctx.mark_non_differentiable(*others, pieces)
        return objective, *others, pieces

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients that are already there."""
        scale = grads[0]
        x, weight, bias, copied = (
            None if grad is None else grad * scale for grad in ctx.saved_tensors
        )
        return x, weight, bias, None, None, None, None, copied, None


def chunks(num: int, matrix: Tensor) -> Iterator[slice]:
    """Cut ``num`` rows of logits, of an output matrix (V,R), into those multiplied at a time.

    On a CPU few, for less memory; a GPU prefers large products.
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
