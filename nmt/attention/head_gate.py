"""A gate that closes whole heads during training, which shows which of them matter."""

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
    """g_h · head_h, g_h hard concrete; λ · Σ_h P(g_h ≠ 0) is added to the loss.

    Voita et al. 2019 (Analyzing multi-head self-attention, section 6.1), with the hard concrete
    distribution of Louizos et al. 2018, eq. 10 to 13. In training, each forward pass draws
    one g for each head; a decoder that loops over positions draws one at every position. In
    evaluation, g is that of eq. 13, exactly 0 for a closed head. ``weight`` is λ, in nats per
    target piece: a head that is worth less closes. A closed head stays in the model, with all its
    weights.

    Each head learns a number log α: the larger it is, the more often the head is open. It starts at
    2, and below -2.4 the head is closed in evaluation. In an update Adam moves a weight by its
    learning rate at most, 2e-3 or less, so this would take thousands of updates. Therefore log α
    moves ``speed`` times as far as the weight that Adam moves.
    """

    def __init__(
        self, heads: int, query_width: int, width: int, weight: float = 0.01, speed: float = 10.0
    ) -> None:
        super().__init__(heads, query_width, width)
        above_zero({"gate.weight": weight, "gate.speed": speed})
        self.weight = weight
        self.speed = speed
        self.log_alpha = nn.Parameter(torch.full((heads, 1, 1), START))

    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        self.note_penalty()
        opened = self.drawn() if self.training else self.opened()
        return found * opened.to(found.dtype)

    def log_odds(self) -> Tensor:
        """Return log α (H,1,1)."""
        return START + self.speed * (self.log_alpha - START)

    def drawn(self) -> Tensor:
        """Draw g (H,1,1) from torch's generator, whose state checkpoints keep."""
        u = torch.rand_like(self.log_alpha)
        tiny = torch.finfo(u.dtype).tiny
        noise = u.clamp_min(tiny).log() - (1 - u).log()
        return stretched(((noise + self.log_odds()) / BETA).sigmoid())

    def opened(self) -> Tensor:
        """Return g (H,1,1) in evaluation."""
        return stretched(self.log_odds().sigmoid())

    def penalty(self) -> Tensor:
        return self.weight * (self.log_odds() - BETA * math.log(-GAMMA / ZETA)).sigmoid().sum()


def stretched(share: Tensor) -> Tensor:
    """Stretch [0,1] to [γ,ζ] and cut off what is outside [0,1]."""
    return (share * (ZETA - GAMMA) + GAMMA).clamp(0, 1)
