"""A gate that closes whole heads while it trains, so that one sees which of them matter."""

import math

import torch
from torch import Tensor, nn

from nmt.attention.gate import Gate
from nmt.attention.penalty import Penalized
from nmt.errors import above_zero

BETA = 2 / 3  # the temperature
GAMMA, ZETA = -0.1, 1.1  # the stretched interval; what is beyond 0 and 1 is cut off
START = 2.0  # log α, at which a head is open with probability 0.97


class L0Gate(Gate, Penalized):
    """g_h · head_h, g_h from the hard concrete distribution, and λ · Σ_h P(g_h ≠ 0) in the loss.

    Voita et al. 2019 (Analyzing multi-head self-attention, section 6.1); Louizos et al. 2018, eq.
    10 to 13. A forward pass in training draws one g for each head; where a decoder goes from
    position to position each position draws. In evaluation g is what eq. 13 says, exactly 0 for a
    head that is closed. ``weight`` is λ: the nats per target piece that a head has to be worth.
    """

    def __init__(self, heads: int, query_width: int, width: int, weight: float = 0.01) -> None:
        super().__init__(heads, query_width, width)
        above_zero({"gate.weight": weight})
        self.weight = weight
        self.log_alpha = nn.Parameter(torch.full((heads, 1, 1), START))

    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        self.note_penalty()
        opened = self.drawn() if self.training else self.opened()
        return found * opened.to(found.dtype)

    def drawn(self) -> Tensor:
        """Draw g (H,1,1) from torch's generator, whose state checkpoints keep."""
        u = torch.rand_like(self.log_alpha)
        tiny = torch.finfo(u.dtype).tiny
        noise = u.clamp_min(tiny).log() - (1 - u).log()
        return stretched(((noise + self.log_alpha) / BETA).sigmoid())

    def opened(self) -> Tensor:
        """Return g (H,1,1) in evaluation."""
        return stretched(self.log_alpha.sigmoid())

    def penalty(self) -> Tensor:
        return self.weight * (self.log_alpha - BETA * math.log(-GAMMA / ZETA)).sigmoid().sum()


def stretched(share: Tensor) -> Tensor:
    """Stretch [0,1] to [γ,ζ] and cut off what is outside [0,1]."""
    return (share * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
