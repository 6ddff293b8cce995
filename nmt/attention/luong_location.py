"""Luong's location score: the query alone decides at which position to look."""

from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.score import Score
from nmt.attention.sizes import check_widths


class LuongLocation(Score):
    """W q, one row of W per source position. Luong et al. 2015, eq. 8, location.

    Row s of W scores position s, whichever key is there. W has `max_positions` rows. Later
    source positions have the score -inf and are never looked at.
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
