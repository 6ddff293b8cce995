"""What keeps the numbers of a deep network in one range."""

from torch import nn


class Norm(nn.Module):
    """One of torch's norms, over a last axis of ``width`` numbers."""

    def __init__(self, width: int, **options: float) -> None:
        super().__init__(width, **options)


class LayerNorm(Norm, nn.LayerNorm):
    """(x - mean) / deviation · g + b over the last axis. Ba et al. 2016, eq. 4."""


class RMSNorm(Norm, nn.RMSNorm):
    """x / √(mean of squares) · g over the last axis. Zhang and Sennrich 2019, eq. 4."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)
