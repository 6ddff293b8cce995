"""Additive attention: a small network with one hidden layer compares query and key."""

import torch
from torch import Tensor, nn

from nmt.attention.additive import additive, side
from nmt.attention.score import Score
from nmt.attention.sizes import check_widths
from nmt.hardware.products import Linear


class Bahdanau(Score):
    """v·tanh(W q + U k). Bahdanau et al. 2015, appendix A.1.2.

    `width` is that of the hidden layer. With `bias` the score is v·tanh(W q + U k + b), as some
    texts write it; the paper has no b. b starts at 0.
    """

    def __init__(
        self, query_width: int, key_width: int, width: int | None = None, bias: bool = False
    ) -> None:
        super().__init__(query_width, key_width)
        check_widths({"attention.width": width})
        width = width or query_width
        self.W = Linear(query_width, width, bias=False)
        self.U = Linear(key_width, width, bias=False)
        self.v = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.b = nn.Parameter(torch.zeros(width)) if bias else None

    def prepare(self, keys: Tensor) -> Tensor:
        keys = self.U(keys)  # (...,S,W)
        return side(keys if self.b is None else keys + self.b)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return additive(side(self.W(query)), keys, self.v)  # (...,T,S)
