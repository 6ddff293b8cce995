"""Between softmax and sparsemax, at a point that each head learns."""

from typing import Any

import entmax
import torch
from torch import Tensor, nn

from nmt.attention.normalize import Normalizer
from nmt.errors import UserError

STEPS = {torch.float64: 50}  # of the bisection; 30, to 1e-9, in other precisions


class AlphaEntmax(Normalizer):
    """argmax over p of p·z + H_α(p), H_α the Tsallis entropy; computed by bisection.

    Peters et al. 2019. Without ``alpha`` each head learns its own α = 1 + σ(a), between 1 (softmax)
    and 2 (sparsemax), which starts at 1.5: Correia et al. 2019 (Adaptively sparse Transformers,
    eq. 10). UserError for an ``alpha`` of 1 or less.
    """

    exact_zeros = True

    def __init__(self, heads: int = 1, alpha: float | None = None) -> None:
        super().__init__(heads)
        if alpha is not None and alpha <= 1:
            raise UserError(
                f"normalize.alpha={alpha}: must be above 1. 1 is normalize=softmax, 2 is "
                "normalize=sparsemax; null: each head learns its own"
            )
        self.alpha = alpha
        self.a = nn.Parameter(torch.zeros(heads, 1, 1)) if alpha is None else None

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        alpha: Any = self.alpha if self.a is None else (1 + self.a.sigmoid()).to(scores.dtype)
        return entmax.entmax_bisect(scores, alpha=alpha, dim=-1, n_iter=STEPS.get(scores.dtype, 30))
