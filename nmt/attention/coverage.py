"""Additive attention that is told how much of each source piece has been translated."""

import torch
from torch import Tensor, nn

from nmt.attention.history import Historic, additive_with
from nmt.attention.score import Score
from nmt.attention.sizes import check_widths
from nmt.errors import above_zero
from nmt.hardware.products import Linear


class Coverage(Score, Historic):
    """v·tanh(W q + U k + V C), C_j = Σ α_j / Φ_j over earlier positions, Φ_j = N·σ(u·k_j).

    Tu et al. 2016 (Modeling coverage for neural machine translation), eq. 5 and 7 to 9: linguistic
    coverage, one number per source piece. C_j says how much of piece j is translated: the sum of
    the weights that it had at earlier target positions, divided by its fertility Φ_j. The fertility
    is how often the piece should be looked at, at most N times. ``width`` is that of the hidden
    layer, ``fertility`` is N.
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        width: int | None = None,
        fertility: float = 2.0,
    ) -> None:
        super().__init__(query_width, key_width)
        check_widths({"attention.width": width})
        above_zero({"attention.fertility": fertility})
        width = width or query_width
        self.fertility = fertility
        self.W = Linear(query_width, width, bias=False)
        self.U = Linear(key_width, width, bias=False)
        self.u = nn.Linear(key_width, 1, bias=False)
        self.V = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.v = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))

    def prepare(self, keys: Tensor) -> Tensor:
        return torch.cat([self.U(keys), self.u(keys)], -1)  # (...,S,W+1)

    def forward(self, query: Tensor, keys: Tensor, past: Tensor | None = None) -> Tensor:
        keys, fertility = keys[..., :-1], self.fertility * keys[..., -1:].mT.sigmoid()  # (...,1,S)
        if past is None:
            past = query.new_zeros(*query.shape[:-1], keys.shape[-2])
        covered = (past / fertility)[..., None]  # (...,T,S,1)
        return additive_with(self.W(query), keys, covered, self.V[:, None], self.v)

    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        return past + weights
