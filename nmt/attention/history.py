"""Scores that read where their attention has looked before, position after position."""

from abc import abstractmethod

import torch
from torch import Tensor

from nmt.attention.score import Score


class Historic(Score):
    """A score with a history: a number for each key, from the weights of the positions before.

    It needs to be asked one position after the other, see :meth:`Attend.look_on`. Asked without a
    history it is that of a first position.
    """

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor, past: Tensor | None = None) -> Tensor:
        """(...,T,Dq), keys as `prepare` gave them, history (...,T,S) or none -> (...,T,S)."""

    @abstractmethod
    def after(self, past: Tensor, weights: Tensor) -> Tensor:
        """Return the history after a position that looked with weights (...,T,S): (...,T,S)."""


def additive_with(query: Tensor, keys: Tensor, extra: Tensor, v: Tensor) -> Tensor:
    """v·tanh(q + k + x): (...,T,W), (...,S,W), x (...,T,S,W), v (W) -> (...,T,S), in float32."""
    dtype = torch.promote_types(v.dtype, torch.float32)
    with torch.autocast(query.device.type, enabled=False):
        inner = query.to(dtype)[..., :, None, :] + keys.to(dtype)[..., None, :, :]
        return (inner + extra.to(dtype)).tanh() @ v.to(dtype)
