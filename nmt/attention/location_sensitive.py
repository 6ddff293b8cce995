"""Additive attention that is told where it looked last."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.history import Historic, additive_with
from nmt.attention.score import Score
from nmt.attention.sizes import check_widths
from nmt.errors import at_least
from nmt.hardware.products import Linear


class LocationSensitive(Score, Historic):
    """v·tanh(W q + U k + P f_j + b), f = F ∗ α, with the weights α of the position before.

    Chorowski et al. 2015 (Attention-based models for speech recognition), eq. 8 and 9. F ∗ α is a
    convolution over the keys: there are ``filters`` filters, and each reaches ``radius`` keys to
    either side. ``width`` is that of the hidden layer.
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        width: int | None = None,
        filters: int = 10,
        radius: int = 5,
    ) -> None:
        super().__init__(query_width, key_width)
        sizes = {"attention.width": width, "attention.filters": filters}
        check_widths({**sizes, "attention.radius": radius})
        at_least(1, sizes)
        width = width or query_width
        self.radius = radius
        self.W = Linear(query_width, width, bias=False)
        self.U = Linear(key_width, width, bias=False)
        self.P = nn.Linear(filters, width)  # with b
        reach = 2 * radius + 1
        self.F = nn.Parameter(torch.empty(filters, 1, reach).uniform_(-(reach**-0.5), reach**-0.5))
        self.v = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))

    def prepare(self, keys: Tensor) -> Tensor:
        return self.U(keys)  # (...,S,W)

    def forward(self, query: Tensor, keys: Tensor, past: Tensor | None = None) -> Tensor:
        if past is None:
            past = query.new_zeros(*query.shape[:-1], keys.shape[-2])
        rows = past.to(self.F.dtype).flatten(0, -2).unsqueeze(1)  # (N,1,S)
        f = F.conv1d(rows, self.F, padding=self.radius)  # (N,filters,S)
        features = f.mT.unflatten(0, past.shape[:-1])  # (...,T,S,filters)
        asked = self.W(query) + self.P.bias
        return additive_with(asked, keys, features, self.P.weight, self.v)

    def after(self, past: Tensor, weights: Tensor, context: Tensor) -> Tensor:
        return weights
