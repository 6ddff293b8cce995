"""The difference of two attentions, which takes away what both find everywhere."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.mix import Mix
from nmt.errors import UserError


class Differential(Mix):
    """w_1 - λ w_2 in each head; λ = exp(λ_q1·λ_k1) - exp(λ_q2·λ_k2) + λ_init.

    Ye et al. 2024 (Differential Transformer, arXiv 2410.05258), section 2.1, with λ_init = 0.8 -
    0.6 exp(-0.3 (l - 1)) in layer l. Each half of a head's query and key has its own map, w_1 and
    w_2; the values have the whole width. So no matrix is added. λ is one number for all heads of
    an attention. The output y of a head becomes (1 - λ_init) · g ⊙ y / RMS(y), as the sum of its
    weights is only 1 - λ. UserError for a head whose width is odd.
    """

    maps = 2
    sums_to_one = False
    negative = True
    bounded = False
    fuses = True
    rescales = True

    def __init__(self, heads: int, width: int, layer: int = 1) -> None:
        super().__init__(heads, width)
        if width % 2:
            raise UserError(
                "mix=differential has one map per half of a head, but a head has width "
                f"{width}: choose model.heads= or model.head_width= so that this width is even"
            )
        self.start = 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))
        self.q = nn.Parameter(0.1 * torch.randn(2, width // 2))
        self.k = nn.Parameter(0.1 * torch.randn(2, width // 2))
        self.g = nn.Parameter(torch.ones(width))

    def share(self) -> Tensor:
        """Return λ, ()."""
        one, other = (self.q * self.k).sum(-1).exp()
        return one - other + self.start

    def after(self, weights: Tensor) -> Tensor:
        one, other = weights.chunk(2, -3)  # (...,H,T,S) each
        return one - self.share().to(weights.dtype) * other

    def rescaled(self, found: Tensor) -> Tensor:
        y = found.to(torch.promote_types(found.dtype, torch.float32))
        normed = F.rms_norm(y, y.shape[-1:], self.g.to(y.dtype), 1e-5)
        return ((1 - self.start) * normed).to(found.dtype)
