"""Keys that are forgotten: how fast depends on what has been read since."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.bias import KeyBias
from nmt.attention.score import Score


class ForgetBias(KeyBias):
    """Σ ln f_l over the pieces l after key j up to query i; f = σ(w_h·x_l + b_h) of each head.

    Lin et al. 2025 (Forgetting Transformer, arXiv 2503.02130): a product of forget gates multiplies
    each weight before the softmax divides. x_l is what the attention is given at l. The bias keeps
    ln f_l beside key l, so a cache holds it; the sums run over these. The paper has it in a
    decoder. In an encoder the same gates count on the other side: from query i up to a later key j.
    """

    def __init__(self, heads: int, score: Score, width: int) -> None:
        super().__init__()
        self.W_f = nn.Linear(width, heads)
        nn.init.zeros_(self.W_f.bias)

    def remember(self, keys: Tensor) -> Tensor:
        gates = self.W_f(keys)  # (...,S,H)
        return F.logsigmoid(gates.to(torch.promote_types(gates.dtype, torch.float32)))

    def forward(self, query: Tensor, distance: Tensor, kept: Tensor | None = None) -> Tensor:
        assert kept is not None
        sums = kept.to(torch.promote_types(kept.dtype, torch.float32)).cumsum(-1)  # (...,H,S)
        place = -distance[..., 0].expand(*sums.shape[:-1], -1)  # (...,H,T) of the queries
        return -(sums.gather(-1, place)[..., None] - sums[..., None, :]).abs()
