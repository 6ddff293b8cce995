"""A softmax that stays equally sharp for any number of keys."""

import torch
from torch import Tensor, nn

from nmt.attention.normalize import Normalizer, num_visible, scaled
from nmt.errors import above_zero


class SSMax(Normalizer):
    """softmax(s · ln n · z), n the number of visible keys and sinks, s learned for each head.

    Nakanishi 2025 (Scalable-Softmax, arXiv 2501.19399). The more keys a softmax has, the smaller
    is its largest weight; here that weight does not fall with n. s starts at ``scale``. With s =
    0.43 and ten keys, s · ln n is about 1, and this is the softmax itself.
    """

    def __init__(self, heads: int = 1, scale: float = 0.43) -> None:
        super().__init__(heads)
        above_zero({"normalize.scale": scale})
        self.s = nn.Parameter(torch.full((heads, 1, 1), float(scale)))

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        factor = self.s * num_visible(scores).to(scores.dtype).log()  # (...,T,1)
        return scaled(scores, factor).softmax(-1)
