"""Who may look at what. Boolean, True = may look."""

import torch
from torch import Tensor

PAD = 0  # the id of padding in every tokenizer


def padding_mask(ids: Tensor) -> Tensor:
    """True where a token is one, False on padding: (B,S) -> (B,S)."""
    return ids != PAD


def causal_mask(num_positions: int, device: torch.device | None = None) -> Tensor:
    """True where the key is not behind the query: (T,T). The future is invisible."""
    return torch.ones(num_positions, num_positions, dtype=torch.bool, device=device).tril()
