"""Several attentions side by side, each in a narrow space of its own."""

from collections.abc import Callable

from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention
from nmt.errors import UserError


class MultiHead(Attend):
    """Concat(head_1 … head_H) W_O, head_i = Attention(q W_Q,i, k W_K,i, v W_V,i).

    Vaswani et al. 2017, section 3.2.2. Every head is `query_width / heads` wide, the context as
    wide as the query. `attention` makes the attention for widths of query, key and value; its
    parameters are the same in all heads, the projections are not. UserError where the heads do not
    divide the width.
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        value_width: int,
        heads: int,
        attention: Callable[[int, int, int], Attention],
    ) -> None:
        super().__init__()
        if query_width % heads:
            raise UserError(
                f"model.heads={heads} cannot share the query's width {query_width} evenly. "
                f"Choose a number of heads that divides {query_width}."
            )
        self.width = query_width
        self.heads = heads
        head_width = query_width // heads
        self.attention = attention(head_width, head_width, head_width)
        self.W_Q = nn.Linear(query_width, query_width, bias=False)
        self.W_V = nn.Linear(value_width, query_width, bias=False)
        self.W_O = nn.Linear(query_width, query_width, bias=False)
        self.W_K = None
        if self.attention.score.reads_keys:
            self.W_K = nn.Linear(key_width, query_width, bias=False)

    def remember(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        values = self._split(self.W_V(values))  # (...,H,S,D/H)
        keys = values if self.W_K is None else self._split(self.W_K(keys))
        return self.attention.remember(keys, values)

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, position: Tensor
    ) -> Tensor:
        position = position.expand(query.shape[:-1])[..., None, :]  # (...,1,T)
        mask = mask.unsqueeze(-3)  # (...,1,T,S)
        context = self.attention(self._split(self.W_Q(query)), keys, values, mask, position)
        return self.W_O(context.transpose(-3, -2).flatten(-2))  # (...,T,D)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)  # (...,T,D) -> (...,H,T,D/H)
