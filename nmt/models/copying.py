"""An output that can also copy the source pieces at which the decoder looks."""

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention
from nmt.attention.mask import PAD
from nmt.attention.recorded import split
from nmt.data.tokenizer import EOS
from nmt.errors import UserError

LEAST = 1e-7  # share of the vocabulary, whatever is copied


class Copy(nn.Module):
    """p(y) = g · p_vocabulary(y) + (1 - g) · Σ_{j: x_j = y} α_j, g = σ(w·h + b), h the features.

    See et al. 2017 (Get to the point, eq. 8 and 9), pointer-generator; the idea to add up both
    kinds of probability for one piece is also that of Gu et al. 2016 (CopyNet, eq. 4). α are
    weights of source-target attention: of the last layer and hop, the mean of its heads. The
    paper's g reads context, state and last piece; h is made of these. Source and target share their
    pieces here, so no vocabulary has to be extended by unknown words.

    </s> is not copied, since attention rests there. Its weight, and what α leaves to no key, goes
    to the vocabulary; weights that sum to more than 1 are divided by their sum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, 1)

    def forward(self, features: Tensor, recorded: list[Tensor], source: Tensor) -> Tensor:
        """Return the probability of each source piece to be copied: (B,T,S), in float32 or float64.

        If a piece occurs several times in its sentence, all of its probability is at the first
        place and the others have 0. The rest up to 1 is the share g of the vocabulary.

        features: (B,T,R), what the output layer reads
        recorded: what the attention recorded for these queries, see :func:`split`
        source:   (B,S) ids
        """
        weights = split(recorded, features.size(1))[-1].mean(1)  # (B,T,S)
        keeps = (source == PAD) | (source == EOS)
        weights = weights.clamp(min=0).masked_fill(keeps[:, None], 0.0)
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1)
        copied = weights * (1 - self.gate(features).to(weights.dtype).sigmoid())
        same = source[:, :, None] == source[:, None]  # (B,S,S)
        first = ~same.tril(-1).any(-1)
        with torch.autocast(copied.device.type, enabled=False):
            return (copied @ same.to(copied.dtype)) * first[:, None]


def share_of_vocabulary(copied: Tensor) -> Tensor:
    """Return g (...,1), what copying (...,S) leaves."""
    return (1 - copied.sum(-1, keepdim=True)).clamp(min=LEAST)


def mixed(logits: Tensor, copied: Tensor, source: Tensor) -> Tensor:
    """Return log p of every piece (B,T,V), from logits (B,T,V), `Copy` (B,T,S) and ids (B,S)."""
    logits = logits.to(copied.dtype)
    log_p = logits.log_softmax(-1) + share_of_vocabulary(copied).log()
    ids = source[:, None].expand(copied.shape)
    alone = log_p.gather(-1, ids)
    return log_p.scatter_add(-1, ids, with_copies(alone, copied) - alone)


def with_copies(log_p: Tensor, copied: Tensor) -> Tensor:
    """Return ln(p + c) from ln p and c; where c is 0 it has no gradient."""
    both = torch.logaddexp(log_p, copied.clamp(min=torch.finfo(copied.dtype).tiny).log())
    return both.where(copied > 0, log_p)


def copying(wanted: bool, width: int, vocabularies: tuple[int, int], attend: Attend) -> Copy | None:
    """Make the :class:`Copy` for features of this width; None: nothing is to be copied.

    UserError where source and target have different pieces, or where nothing looks at the source.
    """
    if not wanted:
        return None
    if vocabularies[0] != vocabularies[1]:
        raise UserError(
            "model.copy=true copies source pieces as target pieces, so it needs one vocabulary "
            f"for both sides, not one of {vocabularies[0]} and one of {vocabularies[1]} pieces: "
            "set tokenizer.joint=true, or remove model.copy"
        )
    if not any(isinstance(part, Attention) for part in attend.modules()):
        raise UserError(
            "model.copy=true does not apply to attention=none: it looks at no source piece. "
            "Remove model.copy, or choose another attention="
        )
    return Copy(width)
