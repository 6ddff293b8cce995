"""Heads that read each other's scores and weights."""

import torch
from torch import Tensor, nn

from nmt.attention.mix import Mix
from nmt.errors import UserError


class TalkingHeads(Mix):
    """weights = P_w · Normalize(P_l · scores), where P_l and P_w (H,H) mix the heads.

    Shazeer et al. 2020 (Talking-heads attention, arXiv 2003.02436). P_l mixes the scores of all
    heads for a query and a key before the normalizer, P_w the weights after it. Both are learned
    and start as the identity: heads that do not talk. A sink is mixed as a key is. UserError for a
    single head.
    """

    sums_to_one = False
    negative = True
    bounded = False

    def __init__(self, heads: int, width: int) -> None:
        super().__init__(heads, width)
        if heads < 2:
            raise UserError(
                "mix=talking_heads needs several heads: choose model.heads=2 or more, or remove "
                "mix="
            )
        self.P_l = nn.Parameter(torch.eye(heads))
        self.P_w = nn.Parameter(torch.eye(heads))

    def before(self, scores: Tensor) -> Tensor:
        hidden = scores == float("-inf")
        return mixed(self.P_l, scores.masked_fill(hidden, 0.0)).masked_fill(hidden, float("-inf"))

    def after(self, weights: Tensor) -> Tensor:
        return mixed(self.P_w, weights)


def mixed(P: Tensor, x: Tensor) -> Tensor:
    """Σ_h P_gh x_h, in the precision of x: (G,H), (...,H,T,S) -> (...,G,T,S)."""
    with torch.autocast(x.device.type, enabled=False):
        return (P.to(x.dtype) @ x.flatten(-2)).unflatten(-1, x.shape[-2:])
