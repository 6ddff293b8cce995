"""Scores that read where their attention has looked before, position after position."""

from abc import abstractmethod

import torch
from torch import Tensor

from nmt.attention.score import Score


class Historic(Score):
    """A score with a history: a number for each key, from the weights of the positions before.

    Positions have to be computed one after the other, see :meth:`Attend.look_on`. Without a history
    it is the score of the first position.
    """

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor, past: Tensor | None = None) -> Tensor:
        """(...,T,Dq), keys as `prepare` returned them, history (...,T,S) or None -> (...,T,S)."""

    @abstractmethod
    def after(self, past: Tensor, weights: Tensor) -> Tensor:
        """Return the history after a position that looked with weights (...,T,S): (...,T,S)."""


def additive_with(query: Tensor, keys: Tensor, features: Tensor, P: Tensor, v: Tensor) -> Tensor:
    """v·tanh(q + k + P f): (...,T,W), (...,S,W), f (...,T,S,F), P (W,F), v (W) -> (...,T,S).

    In float32 at least. W numbers are kept for each pair on the way back, which is 0.5 GB for
    B = 64, T = S = 60 and W = 512. To compute them again takes half as long again.
    """
    dtype = torch.promote_types(v.dtype, torch.float32)
    query, keys, features, P, v = (x.to(dtype) for x in (query, keys, features, P, v))
    with torch.autocast(query.device.type, enabled=False):
        return (query[..., :, None, :] + keys[..., None, :, :] + features @ P.mT).tanh() @ v
