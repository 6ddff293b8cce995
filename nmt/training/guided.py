"""Guided attention: one attention learns where to look from given links, beside the translations.

Chen et al. 2016 (arXiv 1607.01628), section 3; Garg et al. 2019 (arXiv 1909.02074), section 4.2.
"""

import torch.nn.functional as F
from torch import Tensor

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention, record_attention
from nmt.attention.fixed import Fixed
from nmt.attention.heads import MultiHead
from nmt.attention.normalize import Softmax
from nmt.attention.recorded import split
from nmt.attention.window import Normalize
from nmt.batches.batch import Batch
from nmt.errors import UserError
from nmt.models.attention_maps import inside
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.training.loss import BatchLoss, Loss

LEAST = 1e-30  # least weight in a logarithm: a key outside the window has exactly 0


class Guided:
    """The loss of translations, and λ · Σ_t -Σ_s G[t,s] log A[t,s] over the pieces with links.

    A are the weights of one source-target attention, G the batch's ``guide``, whose rows sum to 1
    (Garg et al. 2019, eq. 4, summed over pieces as the cross-entropy is). With a normalizer other
    than the softmax, A is the softmax of the same scores: weights of exactly 0 have no gradient.

    layer, head: numbers from 1; None: the last layer but one, and the mean of all heads.
    shift: A[t+1] learns G[t], the links of the piece that is read there (Chen et al. 2020, section
    3), not of the next one, which is not known yet.
    """

    def __init__(
        self,
        loss: BatchLoss,
        weight: float,
        layer: int | None,
        head: int | None,
        shift: bool = False,
    ) -> None:
        self.loss = loss
        self.weight = weight
        self.layer = layer
        self.head = head
        self.shift = shift

    def __call__(self, model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of every target piece of a batch, under teacher forcing."""
        assert batch.guide is not None
        attend = self.attend(model)
        with record_attention(attend, detached=False, normalize=dense(attend)) as recorded:
            loss = self.loss(model, batch, smoothing)
        (weights,) = recorded.values()
        looked = self.weights(weights, batch.guide.size(1))  # (B·passes,T,S)
        passes = looked.size(0) // batch.guide.size(0)
        guide = batch.guide.repeat(passes, 1, 1)
        if self.shift:
            guide = F.pad(guide[:, :-1], (0, 0, 1, 0))
        missed = -(guide * looked.clamp_min(LEAST).log()).sum() / passes  # ()
        return loss._replace(objective=loss.objective + self.weight * missed, guided=missed)

    def attend(self, model: Seq2Seq) -> Attend:
        """Return the attention that learns. UserError where there is no such layer."""
        layers = [one for one in model.attentions()[Kind.SOURCE_TARGET] if inside(one)]
        if not layers:
            raise UserError(
                "guide=… needs attention, but this model has none: choose another attention=, "
                "or remove guide"
            )
        number = self.layer or max(len(layers) - 1, 1)
        if number > len(layers):
            raise UserError(f"guide.layer={number}: the model's decoder has {len(layers)} layers")
        return layers[number - 1]

    def weights(self, recorded: list[Tensor], num_queries: int) -> Tensor:
        """Return the weights (B,T,S) of the head, of the last hop where there are several."""
        heads = split(recorded, num_queries)[-1]  # (B,H,T,S)
        return heads.mean(1) if self.head is None else heads[:, self.head - 1]

    def check(self, model: Seq2Seq) -> None:
        """Raise UserError for a layer or a head that the model does not have, or cannot teach.

        A model without memory can be checked.
        """
        attend = self.attend(model)
        heads = next((one.heads for one in attend.modules() if isinstance(one, MultiHead)), 1)
        if self.head and self.head > heads:
            raise UserError(f"guide.head={self.head}: the attention has {heads} heads")
        (attention,) = inside(attend)
        refuse_fixed(attention, heads, self.head)
        refuse_mixed(attention)


def dense(attend: Attend) -> Normalize | None:
    """Return a normalizer with a gradient at every key; None: the attention has the softmax."""
    (attention,) = inside(attend)
    return None if type(attention.normalize) is Softmax else Softmax()


def refuse_mixed(attention: Attention) -> None:
    """Raise UserError for weights that may be negative, which have no logarithm."""
    if attention.mix.negative:
        raise UserError(
            "guide=… supervises weights that are probabilities, but with mix= they may be "
            "negative: choose cross.mix=none, or remove guide"
        )


def refuse_fixed(attention: Attention, heads: int, head: int | None) -> None:
    """Raise UserError for fixed weights, which cannot learn from links."""
    if not attention.reads_query and not any(True for _ in attention.score.parameters()):
        raise UserError(
            f"guide=… has nothing to supervise: the weights of {type(attention.score).__name__} "
            "are fixed. Choose another attention=, or remove guide"
        )
    number = attention.window.number(heads) if isinstance(attention.window, Fixed) else 0
    if head and head <= number:
        raise UserError(
            f"guide.head={head} has a fixed pattern (window=fixed) and learns nothing: set "
            f"guide.head={number + 1}, or choose cross.window=full"
        )
