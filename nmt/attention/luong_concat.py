"""Luong's concat score: query and key side by side go through one matrix."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.additive import additive, side
from nmt.attention.score import Score
from nmt.attention.sizes import check_widths


class LuongConcat(Score):
    """v·tanh(W [q; k]). Luong et al. 2015, section 3.1, concat.

    W [q; k] is W's left part times q plus its right part times k; the part of the keys is computed
    once per sentence. So it can express the same functions as Bahdanau's score. Only the initial
    weights differ.

    `width` is the number of rows of W. With `bias` the score is v·tanh(W [q; k] + b), as some texts
    write it; the paper has no b. b starts at 0.
    """

    def __init__(
        self, query_width: int, key_width: int, width: int | None = None, bias: bool = False
    ) -> None:
        super().__init__(query_width, key_width)
        check_widths({"attention.width": width})
        width = width or query_width
        self.W = nn.Linear(query_width + key_width, width, bias=False)
        self.v = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.b = nn.Parameter(torch.zeros(width)) if bias else None

    def prepare(self, keys: Tensor) -> Tensor:
        keys = F.linear(keys, self.W.weight[:, self.query_width :])  # (...,S,W)
        return side(keys if self.b is None else keys + self.b)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        query = F.linear(query, self.W.weight[:, : self.query_width])  # (...,T,W)
        return additive(side(query), keys, self.v)  # (...,T,S)
