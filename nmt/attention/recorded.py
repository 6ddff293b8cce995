"""What attentions recorded, sorted."""

import torch
from torch import Tensor
from torch.nn import functional as F


def split(recorded: list[Tensor], num_queries: int) -> list[Tensor]:
    """Sort what one attention recorded into hops: (B,H,T,S) each.

    A forward over the whole target recorded (B,[H,]T,S) once per hop; a loop over the positions
    recorded (B,[H,]1,S) once per hop at each position. The self-attention of a decoder has one more
    key at each position; keys that did not exist yet get the weight 0.
    """
    steps = num_queries // recorded[0].size(-2)
    hops = len(recorded) // steps
    num_keys = recorded[-1].size(-1)
    recorded = [F.pad(weights, (0, num_keys - weights.size(-1))) for weights in recorded]
    found = [torch.cat(recorded[hop::hops], dim=-2) for hop in range(hops)]  # (B,[H,]T,S)
    return [weights.unsqueeze(1) if weights.dim() == 3 else weights for weights in found]
