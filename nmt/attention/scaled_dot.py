"""The Transformer's score: the dot product, scaled so that it does not grow with the width."""

from torch import Tensor

from nmt.attention.score import InnerProduct, need_equal_widths


class ScaledDot(InnerProduct):
    """q·k/√d. Vaswani et al. 2017, eq. 1. UserError where q and k differ in width.

    A sum of d products with variance 1 has variance d. Divided by √d it has variance 1 again, and
    the gradient of the softmax does not vanish (section 3.2.1, footnote 4).
    """

    keeps_angle = True

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__(query_width, key_width)
        need_equal_widths(self)

    def place(self, query: Tensor) -> Tensor:
        return query / self.key_width**0.5
