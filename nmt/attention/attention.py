"""Attention itself: the one place where scores are masked, normalized and used to weigh values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.attend import Attend
from nmt.attention.normalize import Softmax
from nmt.attention.score import InnerProduct, Score
from nmt.attention.window import Full, Normalize, Window


class Attention(Attend):
    """normalize(score(query, keys)) · values.

    score:     makes the score for these widths of query and key
    normalize: from scores to weights over the last axis
    window:    makes the window for this width of query
    dropout:   share of the weights that is dropped in training (Vaswani et al. 2017, section 5.4)
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        value_width: int,
        score: Callable[[int, int], Score],
        normalize: Normalize,
        window: Callable[[int], Window],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = value_width
        self.score = score(query_width, key_width)
        self.normalize = normalize
        self.window = window(query_width)
        self.dropout = dropout

    def remember(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        return self.score.prepare(keys), values

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, position: Tensor
    ) -> Tensor:
        record = _records.get().get(self)
        if record is None and self._can_be_fused():
            return self._fused(query, keys, values, mask)
        weights = self._weights(query, keys, mask, position)  # (...,T,S)
        if record is not None:
            record.append(weights.detach())
        weights = F.dropout(weights, self.dropout, self.training)
        return weights.to(values.dtype) @ values  # (...,T,Dv)

    def _weights(self, query: Tensor, keys: Tensor, mask: Tensor, position: Tensor) -> Tensor:
        scores = self.score(query, keys)  # (...,T,S)
        # bfloat16 is enough for a product, not for the sums of a normalizer
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        scores = scores.masked_fill(~mask, float("-inf"))
        return self.window(self.normalize, scores, query, position)

    def _can_be_fused(self) -> bool:
        return (
            isinstance(self.score, InnerProduct)
            and isinstance(self.normalize, Softmax)
            and isinstance(self.window, Full)
        )

    def _fused(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """The same by one kernel that never holds the weights; only for softmax(f(q)·g(k))."""
        assert isinstance(self.score, InnerProduct)
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(
            self.score.place(query), keys, values, mask, dropout, scale=1.0
        )


_records: ContextVar[dict[nn.Module, list[Tensor]]] = ContextVar("_records", default={})  # noqa: B039


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """The weights of every Attention in the model, for the forwards inside the block.

    Gives a dict from module path to the weights (...,T,S) of each of its forwards in their order,
    before dropout, detached. A target that is decoded step by step has one entry a step; `hops` have
    one entry a hop.
    """
    attentions = {name: m for name, m in model.named_modules() if isinstance(m, Attention)}
    weights: dict[str, list[Tensor]] = {name: [] for name in attentions}
    token = _records.set({m: weights[name] for name, m in attentions.items()})
    try:
        yield weights
    finally:
        _records.reset(token)
