"""The position-wise network of a Transformer layer."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.dropout import Dropout
from nmt.hardware.products import Linear


class FeedForward(nn.Module, ABC):
    """W2 f(W1 x + b1) + b2. Vaswani et al. 2017, eq. 2.

    width:   D of input and output
    inner:   width between the two
    dropout: share of the inner numbers that is dropped
    """

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.W1 = Linear(width, inner)
        self.W2 = Linear(inner, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(...,D) -> (...,D)."""
        return self.W2(self.dropout(self.inner(x)))

    @abstractmethod
    def inner(self, x: Tensor) -> Tensor:
        """What stands between the two matrices: (...,D) -> (...,inner)."""


class ReLU(FeedForward):
    """f = max(0, x)."""

    def inner(self, x: Tensor) -> Tensor:
        return F.relu(self.W1(x))


class GELU(FeedForward):
    """f = x·Φ(x), Φ the normal distribution. Hendrycks and Gimpel 2016."""

    def inner(self, x: Tensor) -> Tensor:
        return F.gelu(self.W1(x))


class SwiGLU(FeedForward):
    """W2 (swish(W1 x) ⊙ V x). Shazeer 2020, eq. 6. The third matrix adds half as many parameters.

    Unlike the paper's, all three have biases.
    """

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__(width, inner, dropout)
        self.V = Linear(width, inner)

    def inner(self, x: Tensor) -> Tensor:
        return F.silu(self.W1(x)) * self.V(x)
