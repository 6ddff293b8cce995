"""What happens to the output of each head before W_O mixes the heads.

Weights sum to 1, so a head always returns something, as large as its values. A gate can close a
head, in part or as a whole, or rescale its output.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend, Remembered
from nmt.hardware.products import Linear


class Gate(nn.Module, ABC):
    """The kinds of gates.

    heads:       H, of the attention
    query_width: Dq, of the queries that the attention is given, before any projection
    width:       K, of what each head finds
    """

    rescales: ClassVar[bool] = False  # whether the scale of what a head found does not matter

    def __init__(self, heads: int, query_width: int, width: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        """Return the gated outputs: outputs (...,H,T,K), queries (...,T,Dq) -> (...,H,T,K)."""


class NoGate(Gate):
    """No gate: the output of each head stays as it is."""

    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        return found


class SigmoidGate(Gate):
    """Y ⊙ σ(X W_g), Y the outputs of the heads, X the queries: each query gates each number of Y.

    Qiu et al. 2025 (Gated attention for large language models, arXiv 2505.06708), eq. 5 at the
    place G1, before W_O. It starts about half open.
    """

    def __init__(self, heads: int, query_width: int, width: int) -> None:
        super().__init__(heads, query_width, width)
        self.heads = heads
        self.W_g = Linear(query_width, heads * width, bias=False)

    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        opened = self.W_g(query).sigmoid()  # (...,T,H·K)
        opened = opened.unflatten(-1, (self.heads, -1)).transpose(-3, -2)  # (...,H,T,K)
        return found * opened.to(found.dtype)


class RMSGate(Gate):
    """y / RMS(y) ⊙ g ⊙ σ(w ⊙ y), y the output of a head; without ``gated``: y / RMS(y) ⊙ g.

    Zhang, Titov and Sennrich 2021 (Sparse attention with linear units, arXiv 2104.07012), section
    3, for ``normalize=relu``, whose weights may have any size. Here each head is rescaled
    by itself. An output of 0 stays 0, so a head may be off.
    """

    rescales = True

    def __init__(self, heads: int, query_width: int, width: int, gated: bool = True) -> None:
        super().__init__(heads, query_width, width)
        self.g = nn.Parameter(torch.ones(heads, 1, width))
        self.w = nn.Parameter(torch.ones(heads, 1, width)) if gated else None

    def forward(self, found: Tensor, query: Tensor) -> Tensor:
        y = found.to(torch.promote_types(found.dtype, torch.float32))
        scaled = y * (y.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.g
        if self.w is not None:
            scaled = scaled * (self.w * y).sigmoid()
        return scaled.to(found.dtype)


class Gated(Attend):
    """One attention without projections, and a gate behind it."""

    def __init__(self, attend: Attend, gate: Gate) -> None:
        super().__init__()
        self.width = attend.width
        self.attend = attend
        self.has_history = attend.has_history
        self.gate = gate

    def remember(self, keys: Tensor, values: Tensor, position: Tensor | None = None) -> Remembered:
        return self.attend.remember(keys, values, position)

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        causal: bool = False,
    ) -> Tensor:
        return self._gated(self.attend(query, keys, values, mask, position, causal), query)

    def no_history(self, mask: Tensor) -> Tensor:
        return self.attend.no_history(mask)

    def look_on(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        found, past = self.attend.look_on(query, keys, values, mask, position, past)
        return self._gated(found, query), past

    def _gated(self, found: Tensor, query: Tensor) -> Tensor:
        return self.gate(found.unsqueeze(-3), query).squeeze(-3)  # (...,T,·)
