"""How the maps of an attention are mixed before the values are summed.

A map is what a query projection and a key projection make together: a score of each query for each
key, and then a weight. Usually a head is one map and takes its values by its weights. A mix makes
the weights of a head of several maps: those of other heads, or two of its own.
"""

from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn


class Mix(nn.Module, ABC):
    """The kinds of mixes.

    A mix says what its weights are, if those of each map are a distribution: whether they sum to 1,
    whether one may be negative, and whether none is above 1.

    heads: H, of the attention
    width: K, of the values of a head
    """

    maps: ClassVar[int] = 1  # of a head, which share its width: M = H·maps
    sums_to_one: ClassVar[bool] = True
    negative: ClassVar[bool] = False
    bounded: ClassVar[bool] = True
    # Whether `after` may get contexts (...,M,T,K) of its maps, and `before` changes nothing. A
    # subclass may change both, so it does not inherit the claim.
    fuses: ClassVar[bool] = False
    rescales: ClassVar[bool] = False  # whether the scale of what a head found does not matter

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()

    def before(self, scores: Tensor) -> Tensor:
        """Mix what is normalized: (...,M,T,S), -inf = out of reach -> (...,M,T,S)."""
        return scores

    def after(self, weights: Tensor) -> Tensor:
        """Mix the weights of the maps to those of the heads: (...,M,T,S) -> (...,H,T,S).

        The maps of a head stand H apart: the first of every head, then the second of every head.
        """
        return weights

    def rescaled(self, found: Tensor) -> Tensor:
        """Return what the heads found (...,H,T,K) in the scale that the mix wants."""
        return found


class NoMix(Mix):
    """No mix: the weights of each head are its own."""

    fuses = True


def maps_of(mix: Callable[..., Any]) -> int:
    """Return how many maps each head has with what makes a mix."""
    kind: Any = getattr(mix, "func", mix)
    found: int = kind.maps
    return found
