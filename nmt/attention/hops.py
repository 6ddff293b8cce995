"""Hopping, attention that looks again: what it has found becomes part of the question."""

from torch import Tensor, nn

from nmt.attention.attend import Attend


class Hops(Attend):
    """u_1 = q; o_k = attend(u_k); u_(k+1) = u_k + W o_k; the last o is the context.

    Sukhbaatar et al. 2015 (End-to-end memory networks), section 2.2, their layer-wise tying: all
    hops share one attention, and one W, which here brings o to the width of u.
    """

    def __init__(self, attend: Attend, query_width: int, hops: int) -> None:
        super().__init__()
        self.width = attend.width
        self.hops = hops
        self.attend = attend
        self.W = nn.Linear(attend.width, query_width, bias=False)

    def remember(
        self, keys: Tensor, values: Tensor, position: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.attend.remember(keys, values, position)

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        causal: bool = False,
    ) -> Tensor:
        context = self.attend(query, keys, values, mask, position, causal)  # (...,T,Dv)
        for _ in range(self.hops - 1):
            query = query + self.W(context)
            context = self.attend(query, keys, values, mask, position, causal)
        return context
