"""Luong's general score: a matrix learns which parts of query and key belong together."""

from torch import Tensor

from nmt.attention.score import InnerProduct
from nmt.hardware.products import Linear


class LuongGeneral(InnerProduct):
    """q·(W k). Luong et al. 2015, section 3.1, general. The widths of q and k may differ."""

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__(query_width, key_width)
        self.W = Linear(key_width, query_width, bias=False)

    def prepare(self, keys: Tensor) -> Tensor:
        return self.W(keys)  # (...,S,Dq)
