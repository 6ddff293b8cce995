"""From scores to weights: each gives numbers of 0 and more that sum to 1 over the last axis.

A score of -inf gets the weight 0 exactly and passes no gradient. One score of each row is finite.
"""

import entmax
from torch import Tensor, nn
from torch.nn import functional as F


class Softmax(nn.Module):
    """exp(z_i) / Σ_j exp(z_j): every visible key has some weight."""

    def forward(self, scores: Tensor) -> Tensor:
        return scores.softmax(-1)


class Sparsemax(nn.Module):
    """argmin over p of ‖p - z‖², p a distribution. Martins & Astudillo 2016, eq. 2.

    Weak keys get exactly 0: often a handful remains.
    """

    def forward(self, scores: Tensor) -> Tensor:
        return entmax.sparsemax(scores, dim=-1)


class Entmax15(nn.Module):
    """argmax over p of p·z + H_1.5(p), H the Tsallis entropy. Peters et al. 2019, α-entmax.

    Between the softmax (α = 1) and sparsemax (α = 2): sparse, but less abruptly.
    """

    def forward(self, scores: Tensor) -> Tensor:
        return entmax.entmax15(scores, dim=-1)


class Hard(nn.Module):
    """The best key alone. Forward: argmax as one-hot; backward: as if it had been the softmax.

    The straight-through estimator of Bengio et al. 2013. Unlike the other normalizers, what it
    computes backward is not the derivative of what it computes forward (that is 0).
    """

    def forward(self, scores: Tensor) -> Tensor:
        soft = scores.softmax(-1)
        hard = F.one_hot(scores.argmax(-1), scores.shape[-1])
        return soft + (hard - soft).detach()
