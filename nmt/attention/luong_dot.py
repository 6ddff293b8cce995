"""Luong's dot score: query and key are compared as they are, without a parameter."""

from nmt.attention.score import InnerProduct, need_equal_widths


class LuongDot(InnerProduct):
    """q·k. Luong et al. 2015, section 3.1, dot. UserError where q and k differ in width."""

    keeps_angle = True

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__(query_width, key_width)
        need_equal_widths(self)
