"""Attention that goes through the source once, from left to right, and stops at single keys."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.history import Historic
from nmt.attention.normalize import Normalizer
from nmt.errors import at_least

TINY = 1e-30  # of a probability in a logarithm


class Monotonic(Normalizer, Historic):
    """w_tj = p_tj · Σ_{k≤j} w_{t-1,k} · Π_{k≤l<j} (1 - p_tl), p_tj = σ(z_tj + r + ε).

    Raffel et al. 2017 (Online and linear-time attention by enforcing monotonic alignments, arXiv
    1704.00784), sections 2.2 to 2.5. Each position starts where the one before stopped, looks at
    one key after the other, and stops at key j with probability p_tj. In training w is the
    probability to stop there, by the recurrence above; ε is drawn from N(0, noise²) for each pair,
    so that the model learns to be sure. Outside of training it stops at the first key with p ≥
    1/2, which gets the whole weight. If it goes past the last key, it finds nothing at this
    position and at all later ones: w is 0, as in the recurrence. Each head learns its own r, which
    starts at ``offset``; the more negative, the farther it goes at first. The paper tunes r and ε
    to the task, and uses the additive score with g·v/‖v‖ for v (section 2.4); here z is that of any
    ``attention=``.
    """

    sums_to_one = False
    exact_zeros = True
    ordered = True
    leaves_rest = True

    def __init__(self, heads: int = 1, offset: float = -1.0, noise: float = 1.0) -> None:
        super().__init__(heads)
        at_least(0, {"normalize.noise": noise})
        self.noise = noise
        self.r = nn.Parameter(torch.full((heads, 1, 1), float(offset)))

    def forward(
        self, scores: Tensor, query: Tensor | None = None, past: Tensor | None = None
    ) -> Tensor:
        hidden = scores == float("-inf")
        z = scores.masked_fill(hidden, 0.0) + self.r
        if past is None:
            past = self.before(scores.size(-1), 0, scores.device)
        past = past.to(scores.dtype)
        found = self.expected(z, past, hidden) if self.training else first_stop(z, past, hidden)
        return found.masked_fill(hidden, 0.0)

    def expected(self, z: Tensor, past: Tensor, hidden: Tensor) -> Tensor:
        """Return the probability to stop at each key (...,T,S), computed with logarithms."""
        if self.noise:
            z = z + self.noise * torch.randn_like(z)
        left = F.logsigmoid(-z).masked_fill(hidden, 0.0)
        passed = left.cumsum(-1) - left  # ln Π (1 - p) over the keys before each
        reached = passed + (past.clamp(min=TINY).log() - passed).logcumsumexp(-1)
        return (F.logsigmoid(z) + reached).exp()

    def before(self, num_keys: int, value_width: int, device: torch.device) -> Tensor:
        return (torch.arange(num_keys, device=device) == 0).float()  # it starts at the first key

    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        return weights


def first_stop(z: Tensor, past: Tensor, hidden: Tensor) -> Tensor:
    """Return the weight 1 for the first key from the last one on with z ≥ 0, as p ≥ 1/2 there."""
    stops = (z >= 0) & ~hidden & (past.cumsum(-1) > 0)
    return (stops & (stops.cumsum(-1) == 1)).to(z.dtype)
