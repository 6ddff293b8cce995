"""Several attentions side by side, each in a narrow space of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from nmt.attention.attend import Attend
from nmt.attention.attention import Attention
from nmt.attention.bias import KeyBias
from nmt.attention.gate import Gate, NoGate
from nmt.errors import UserError
from nmt.hardware.products import Linear

Rotate = Callable[[Tensor, Tensor], Tensor]


class MultiHead(Attend):
    """Concat(head_1 … head_H) W_O, head_i = Attention(q W_Q,i, k W_K,i, v W_V,i).

    Vaswani et al. 2017, section 3.2.2. The context is as wide as the query. `attention` makes the
    attention for widths of query, key and value; its parameters are the same in all heads, the
    projections are not.

    head_width: of every head; None: query_width / heads. UserError where that is no whole number.
    turn:       turns projected queries and keys (...,K) by their positions (...), or None
    tie_keys_values: v W_K,i instead of v W_V,i, so that K = V as long as both are projections
                of one memory. Keys and values became two with Miller et al. 2016 and Daniluk et
                al. 2017; Kitaev et al. 2020 tie queries and keys in the same way. UserError for a
                score that reads no keys, which has no W_K.
    key_heads:  how many keys and values there are, each for heads / key_heads heads; None: heads.
                1 is multi-query attention (Shazeer 2019), others are grouped-query attention
                (Ainslie et al. 2023). `attention` has to know how many heads share them.
    maps:       how many maps a head has, which share the width of its query and key; see Mix.
                They stand on the axis of heads: (...,H·maps,T,K/maps).
    gate:       makes the gate behind head_1 … head_H, for H and the widths of query and head
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        value_width: int,
        heads: int,
        attention: Callable[[int, int, int], Attention],
        head_width: int | None = None,
        turn: Rotate | None = None,
        tie_keys_values: bool = False,
        gate: Callable[[int, int, int], Gate] = NoGate,
        key_heads: int | None = None,
        maps: int = 1,
    ) -> None:
        super().__init__()
        if head_width is None and query_width % heads:
            raise UserError(
                f"model.heads={heads} cannot share the query's width {query_width} evenly. "
                f"Choose a number of heads that divides {query_width}."
            )
        head_width = head_width or query_width // heads
        inner_width = heads * head_width
        self.width = query_width
        self.heads = heads
        self.key_heads = key_heads or heads
        shared_width = self.key_heads * head_width
        self.turn = turn
        self.maps = maps
        self.attention = attention(head_width // maps, head_width // maps, head_width)
        score = self.attention.score
        if turn and not (score.keeps_angle and score.reads_query):
            raise UserError(
                "positions=rope rotates query and key, so that their inner product depends on "
                f"their distance, but {type(self.attention.score).__name__} is not an inner "
                "product. Choose luong_dot, scaled_dot or cosine, or other positions="
            )
        if tie_keys_values and not self.attention.score.reads_keys:
            raise UserError(
                "model.tie_keys_values=true does not apply to "
                f"{type(self.attention.score).__name__}: it does not read the keys. Remove "
                "model.tie_keys_values, or choose another attention="
            )
        self.has_history = self.attention.has_history
        self.gate = gate(heads, query_width, head_width)
        self.W_Q = None
        if self.attention.reads_query:
            self.W_Q = Linear(query_width, inner_width, bias=False)
        self.W_V = None if tie_keys_values else Linear(value_width, shared_width, bias=False)
        self.W_O = Linear(inner_width, query_width, bias=False)
        self.W_K = None
        if self.attention.score.reads_keys:
            self.W_K = Linear(key_width, shared_width, bias=False)

    def remember(
        self, keys: Tensor, values: Tensor, position: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        bias, whole = self.attention.bias, keys
        keys, values = self._project(keys, values)  # (...,G,S,K)
        if self.turn is not None:
            if position is None:
                position = torch.arange(keys.shape[-2], device=keys.device)
            keys = self.turn(keys, position[..., None, :])
        keys, values = self.attention.remember(keys, values)
        if isinstance(bias, KeyBias):
            kept = split(bias.remember(whole), self.key_heads * self.maps)  # (...,G,S,R)
            keys = torch.cat([keys, kept], -1)
        if self.has_history:  # one copy, where the product at each position would make its own
            keys, values = keys.contiguous(), values.contiguous()
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
        asked, mask, position = self._ask(query, mask, position)
        return self._merge(self.attention(asked, keys, values, mask, position, causal), query)

    def no_history(self, mask: Tensor) -> Tensor:
        if not self.has_history:
            return super().no_history(mask)
        return self.attention.no_history(mask).unsqueeze(-2).repeat(1, 1, self.heads * self.maps, 1)

    def look_on(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        if not self.has_history:
            return self(query, keys, values, mask, position), past
        asked, mask, position = self._ask(query, mask, position)
        before = past.transpose(-3, -2)  # (B,H,K,S)
        found, after = self.attention.look_on(asked, keys, values, mask, position, before)
        return self._merge(found, query), after.transpose(-3, -2)

    def _ask(
        self, query: Tensor, mask: Tensor | None, position: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """The queries of each map (...,M,T,K), the mask (...,1,T,S) and the places (...,1,T)."""
        position = torch.atleast_1d(position)[..., None, :]
        mask = None if mask is None else mask.unsqueeze(-3)
        if self.W_Q is None:  # nobody reads the queries
            asked = query.unsqueeze(-3).expand(*query.shape[:-2], self.heads * self.maps, -1, -1)
            return asked, mask, position
        projected = split(self.W_Q(query), self.heads * self.maps)
        return self.turn(projected, position) if self.turn else projected, mask, position

    def _merge(self, found: Tensor, query: Tensor) -> Tensor:
        """From what the heads found (...,H,T,K) to the context (...,T,D)."""
        found = self.gate(self.attention.mix.rescaled(found), query)
        return self.W_O(found.transpose(-3, -2).flatten(-2))

    def _project(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        W_V = self.W_V or self.W_K
        assert W_V is not None
        projected = W_V(values)  # (...,S,G·K)
        if self.W_K is None or (self.W_V is None and keys is values):
            of_keys = projected  # nobody reads the keys, or K = V
        else:
            of_keys = self.W_K(keys)
        return split(of_keys, self.key_heads * self.maps), split(projected, self.key_heads)


def split(x: Tensor, heads: int) -> Tensor:
    """(...,T,H·K) -> (...,H,T,K)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)
