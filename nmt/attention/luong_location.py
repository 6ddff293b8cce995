"""Luong's location score: the decoder says from its own state alone where it wants to look."""

from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.score import Score
from nmt.attention.sizes import check_widths


class LuongLocation(Score):
    """W q, one row of W a source position. Luong et al. 2015, eq. 8, location.

    W has `max_positions` rows; source positions beyond have the score -inf and are
    never looked at.

    Every other score sees one key at a time, and permuting the keys permutes the scores. This one
    sees no key but its place: whatever stands there, row s of W scores place s.
    """

    reads_keys = False

    def __init__(self, query_width: int, key_width: int, max_positions: int = 100) -> None:
        super().__init__(query_width, key_width)
        check_widths({"attention.max_positions": max_positions})
        self.max_positions = max_positions
        self.W = nn.Linear(query_width, max_positions, bias=False)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        num_keys = keys.shape[-2]
        scores = F.linear(query, self.W.weight[:num_keys])  # (...,T,min(S,max_positions))
        beyond = max(0, num_keys - self.max_positions)
        return F.pad(scores, (0, beyond), value=float("-inf"))  # (...,T,S)
