"""From the encoder's states to the state in which the decoder starts."""

import torch
from torch import Tensor, nn


class Bridge(nn.Module):
    """Make the decoder's first state from the encoder: (B,S,De), (B,De), (B,S) -> (B,W).

    Args:
        encoder_width: De, the width of the encoder's states.
        state_width: W, everything that the decoder's layers carry from step to step.
    """

    def __init__(self, encoder_width: int, state_width: int) -> None:
        super().__init__()
        self.encoder_width = encoder_width
        self.state_width = state_width


class Zero(Bridge):
    """Start from nothing: all the decoder knows of the source comes through attention."""

    def forward(self, states: Tensor, last: Tensor, mask: Tensor) -> Tensor:
        return last.new_zeros(last.size(0), self.state_width)


class Last(Bridge):
    """Start from a linear map of the encoder's last state (Sutskever et al. 2014)."""

    def __init__(self, encoder_width: int, state_width: int) -> None:
        super().__init__(encoder_width, state_width)
        self.linear = nn.Linear(encoder_width, state_width)

    def forward(self, states: Tensor, last: Tensor, mask: Tensor) -> Tensor:
        return self.linear(last)


class Mean(Bridge):
    """Start from tanh(W · mean of the encoder's states) (Sennrich et al. 2017, Nematus, eq. 1)."""

    def __init__(self, encoder_width: int, state_width: int) -> None:
        super().__init__(encoder_width, state_width)
        self.linear = nn.Linear(encoder_width, state_width)

    def forward(self, states: Tensor, last: Tensor, mask: Tensor) -> Tensor:
        kept = states.masked_fill(~mask.unsqueeze(-1), 0.0)
        mean = kept.sum(1) / mask.sum(1, keepdim=True)  # (B,De)
        return torch.tanh(self.linear(mean))
