"""Sums over the updates since the last line of metrics, to be logged as means."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.hardware.runtime import widest
from nmt.training.loss import Loss


class Update(NamedTuple):
    """The losses and the gradient of one update."""

    loss: Loss  # summed over its target pieces
    tokens: int
    grad_norm: Tensor  # () before clipping


@dataclass
class Tally:
    """Sums over updates, in their order, so that they are the same after a resume.

    They are in float64 if the device has it, and stay on the device until they are needed.
    """

    sums: dict[str, Tensor] = field(default_factory=dict)  # (), of what is logged as a mean
    updates: int = 0
    tokens: int = 0
    seconds: float = 0.0  # that updates took
    rate: float = 0.0  # learning rate of the last update

    def add(self, update: Update) -> None:
        """Add an update."""
        values = {
            name: value.detach().to(widest(value.device))
            for name, value in (update.loss._asdict() | {"grad_norm": update.grad_norm}).items()
            if value is not None
        }
        self.sums = {
            name: value + self.sums[name].to(value) if name in self.sums else value
            for name, value in values.items()
        }
        self.updates += 1
        self.tokens += update.tokens

    def metrics(self) -> dict[str, float]:
        """Return the means: losses in nats per target piece, the gradient norm per update."""
        if not self.updates:
            return {}
        sums = {name: value.item() for name, value in self.sums.items()}
        logged = {
            "train/loss": sums["smoothed"] / self.tokens,
            "train/nll": sums["likelihood"] / self.tokens,
            "train/grad_norm": sums["grad_norm"] / self.updates,
        }
        for name in ("consistency", "guided", "penalty"):
            if name in sums:
                logged[f"train/{name}"] = sums[name] / self.tokens
        return logged | {"train/tokens_per_s": self.tokens / self.seconds}

    def state(self) -> dict[str, float]:
        """Return the state for :meth:`restored`; empty: nothing was added."""
        counts = {
            "updates": self.updates,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "rate": self.rate,
        }
        sums = {f"sum.{name}": value.item() for name, value in self.sums.items()}
        return sums | counts if self.updates else {}

    @classmethod
    def restored(cls, state: dict[str, float]) -> "Tally":
        """Continue from a stored state."""
        sums = {
            name.removeprefix("sum."): torch.tensor(value, dtype=torch.float64)
            for name, value in state.items()
            if name.startswith("sum.")
        }
        counts = int(state.get("updates", 0)), int(state.get("tokens", 0))
        return cls(sums, *counts, state.get("seconds", 0.0), state.get("rate", 0.0))
