"""No attention: one vector stands for the whole source."""

from torch import Tensor

from nmt.attention.attend import Attend


class FixedContext(Attend):
    """The same context at every step. Cho et al. 2014, section 2.2.

    Its memory has a single slot, the encoder's summary of the source (`one_slot`). There is nothing
    to choose from, so there are no weights, and `record_attention` has no entry for it.
    """

    one_slot = True

    def __init__(self, value_width: int) -> None:
        super().__init__()
        self.width = value_width

    def remember(
        self, keys: Tensor, values: Tensor, position: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return keys, values

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        causal: bool = False,
    ) -> Tensor:
        return values.expand(*query.shape[:-1], self.width)  # (...,1,D) -> (...,T,D)
