"""What surrounds each sublayer of a Transformer: a residual connection, dropout and a norm."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from nmt.attention.dropout import Dropout

Norm = Callable[[int], nn.Module]


class Residual(nn.Module, ABC):
    """x + sublayer(x), with `dropout` on the output of the sublayer, and a norm.

    norm: makes the norm for a width
    """

    leaves_normed: bool  # whether its output has gone through the norm

    def __init__(self, width: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.norm = norm(width)
        self.dropout = Dropout(dropout)

    @abstractmethod
    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """(...,D) -> (...,D)."""


class PreNorm(Residual):
    """x + sublayer(norm(x)): the residual connection has no norm, so gradients pass unchanged.

    Xiong et al. 2020. Trains without a long warm-up; the whole stack ends in one more norm.
    """

    leaves_normed = False

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        return x + self.dropout(sublayer(self.norm(x)))


class PostNorm(Residual):
    """norm(x + sublayer(x)). Vaswani et al. 2017, section 3.1."""

    leaves_normed = True

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        return self.norm(x + self.dropout(sublayer(x)))
