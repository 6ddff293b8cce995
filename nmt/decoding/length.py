"""The length norm lp(Y): log P is divided by it, so that long translations have a chance."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# |Y| of any shape, eos counted, to lp(Y) of that shape. It must not fall as |Y| grows: a search
# ends early by that. Two that are the same have to be equal: recorded steps are found again by it.
LengthNorm = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Wu:
    """lp(Y) = (5 + |Y|)^α / (5 + 1)^α (Wu et al. 2016, eq. 14)."""

    alpha: float

    def __call__(self, length: Tensor) -> Tensor:
        """Return lp."""
        return ((5 + length) / 6) ** self.alpha


@dataclass(frozen=True)
class Power:
    """lp(Y) = |Y|^α, as fairseq and transformers have it; with α = 1 the mean of all log P."""

    alpha: float

    def __call__(self, length: Tensor) -> Tensor:
        """Return lp."""
        return length.float() ** self.alpha


LENGTH_NORMS: dict[str, Callable[[float], LengthNorm]] = {"wu": Wu, "power": Power}
