"""Parts of a model that draw at random, and learn from the reward."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor, nn


class Draws(NamedTuple):
    """The random draws of a part for the queries of one forward pass."""

    log_p: Tensor  # (...,T) log-probability of what was drawn, with its gradient; 0: nothing was
    entropy: Tensor  # (...,T) of the distributions, in nats


class Rewarded(nn.Module):
    """A part that keeps its draws where a loss wants to reward them; see `record_draws`."""

    record: list[Draws] | None = None
    reward: float  # what a nat of reward counts in the loss
    entropy: float  # what a nat of entropy counts


def rewarded(model: nn.Module) -> list[Rewarded]:
    """Return the parts of a model that draw."""
    return [part for part in model.modules() if isinstance(part, Rewarded)]


@contextmanager
def record_draws(model: nn.Module) -> Iterator[dict[Rewarded, list[Draws]]]:
    """Keep the draws of all parts, in order, for the forward passes in the block."""
    found: dict[Rewarded, list[Draws]] = {part: [] for part in rewarded(model)}
    try:
        for part, record in found.items():
            part.record = record
        yield found
    finally:
        for part in found:
            part.record = None
