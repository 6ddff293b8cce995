"""The cosine of the angle between query and key, sharpened by a learned factor."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.score import InnerProduct, need_equal_widths
from nmt.errors import above_zero


class Cosine(InnerProduct):
    """g · q·k/(‖q‖‖k‖). Graves et al. 2014 (NTM), eq. 5 and 6; Henry et al. 2020 (QKNorm).

    A cosine lies in [-1, 1], and the softmax of such numbers is almost flat. So it is multiplied
    by a learned g, one over the temperature, which starts at `scale`. UserError where q and k
    differ in width.
    """

    keeps_angle = True

    def __init__(self, query_width: int, key_width: int, scale: float = 10.0) -> None:
        super().__init__(query_width, key_width)
        need_equal_widths(self)
        above_zero({"attention.scale": scale})
        self.g = nn.Parameter(torch.tensor(float(scale)))

    def prepare(self, keys: Tensor) -> Tensor:
        return F.normalize(keys, dim=-1)

    def place(self, query: Tensor) -> Tensor:
        return self.g * F.normalize(query, dim=-1)
