"""A softmax whose temperature depends on the last context."""

import torch
from torch import Tensor, nn

from nmt.attention.history import Historic
from nmt.attention.normalize import Normalizer, scaled
from nmt.errors import UserError


class Temperature(Normalizer, Historic):
    """softmax(z / τ), τ = λ^β, β = tanh(w·c + u·q), c the context of the position before.

    Lin et al. 2018 (Learning when to concentrate or divert attention, arXiv 1808.07374): SACT. A
    high temperature τ looks at many keys, a low one at few; τ is between 1/λ and λ. Each head has
    its own w and u, and at the first position c = 0. ``base`` is λ. The paper leaves it open; the
    authors' code has e, the default here, and one hidden layer instead of w and u.
    """

    reads_query = True

    def __init__(
        self,
        heads: int = 1,
        query_width: int = 1,
        value_width: int = 1,
        base: float = 2.718,
    ) -> None:
        super().__init__(heads)
        if base <= 1:
            raise UserError(f"normalize.base={base}: must be above 1; 1 is normalize=softmax")
        self.base = base
        self.w = nn.Parameter(row(heads, value_width))
        self.u = nn.Parameter(row(heads, query_width))

    def forward(
        self, scores: Tensor, query: Tensor | None = None, past: Tensor | None = None
    ) -> Tensor:
        assert query is not None
        context = scores.new_zeros(self.w.size(-1)) if past is None else past.to(scores.dtype)
        of_context = (context * self.w).sum(-1, keepdim=True)  # (...,T,1)
        of_query = (query.to(scores.dtype) * self.u).sum(-1, keepdim=True)
        return scaled(scores, self.base ** -(of_context + of_query).tanh()).softmax(-1)

    def before(self, num_keys: int, value_width: int, device: torch.device) -> Tensor:
        return torch.zeros(value_width, device=device)

    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        return context.to(torch.promote_types(context.dtype, torch.float32))


def row(heads: int, width: int) -> Tensor:
    """Draw a vector for each head: (H,1,W)."""
    return torch.empty(heads, 1, width).uniform_(-(width**-0.5), width**-0.5)
