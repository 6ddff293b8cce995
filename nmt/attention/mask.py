"""Who may look at what. Boolean, True = may look."""

import torch
from torch import Tensor

PAD = 0  # the id of padding in every tokenizer


def padding_mask(ids: Tensor) -> Tensor:
    """True for tokens, False for padding: (B,S) -> (B,S)."""
    return ids != PAD


def causal_mask(num_positions: int, device: torch.device | None = None) -> Tensor:
    """True where the key is not behind the query: (T,T). The future is invisible."""
    return torch.ones(num_positions, num_positions, dtype=torch.bool, device=device).tril()


def hide(scores: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Set the scores (...,T,S) of keys that a query may not look at to -inf.

    mask:   bool, broadcastable to (...,T,S), True = may look; None: at every key
    causal: query t may look only at keys 0 to t (T = S)
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    if causal:
        scores = scores.masked_fill(~causal_mask(scores.shape[-1], scores.device), float("-inf"))
    return scores
