"""How spread out attention is."""

import torch
from torch import Tensor


def attention_entropy(weights: Tensor, mask: Tensor) -> Tensor:
    """-Σ_s w ln w in nats, the mean over layers, heads and the queries that are no padding.

    0: each query looks at one key. ln S: it looks at all of S keys alike.
    weights: (B,...,T,S), layers and heads in the middle; mask: bool (B,T), True = a query.
    """
    entropy = torch.special.entr(weights).sum(-1)  # (B,...,T)
    while mask.dim() < entropy.dim():
        mask = mask.unsqueeze(1)  # (B,1,...,T)
    return entropy[mask.expand_as(entropy)].mean()
