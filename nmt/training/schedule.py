"""Learning rate schedules: each is a factor of ``optimizer.lr`` at each update.

``optimizer.lr`` is the highest rate, except with Noam, whose equation is the rate itself.

``step`` counts updates from 1; ``progress`` is the share of the budget (steps, epochs, pieces or
minutes) that is used, from 0 to 1. Warm-up is linear over the first ``warmup`` updates.
"""

from abc import ABC, abstractmethod
from math import cos, pi
from typing import ClassVar

from nmt.errors import above_zero, at_least, share
from nmt.metrics.watch import is_better


class Schedule(ABC):
    """A factor of the learning rate that depends on where training stands."""

    needs_budget = False  # whether it depends on the progress, so that training needs an end
    # Defaults of other settings with this schedule; see `from_schedule` in nmt.config.schema.
    brings: ClassVar[dict[str, float]] = {}

    def __init__(self, warmup: int) -> None:
        at_least(0, {"schedule.warmup": warmup})
        self.warmup = warmup

    def __call__(self, step: int, progress: float) -> float:
        """Return the factor at update ``step``."""
        warm = min(1.0, step / self.warmup) if self.warmup else 1.0
        return warm * self.shape(step, progress)

    @abstractmethod
    def shape(self, step: int, progress: float) -> float:
        """Return the factor without the warm-up."""

    def observe(self, loss: float) -> None:  # noqa: B027
        """Take note of the loss of a dev evaluation."""

    def state(self) -> dict[str, float]:
        """Return the state needed to resume from here."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a kept state."""
        assert not state


class Constant(Schedule):
    """Constant."""

    def shape(self, step: int, progress: float) -> float:
        """Return 1."""
        return 1.0


class Linear(Schedule):
    """Fall linearly to zero at the end of the budget."""

    needs_budget = True

    def shape(self, step: int, progress: float) -> float:
        """Return what is left of the budget."""
        return 1.0 - progress


class Cosine(Schedule):
    """Fall along half a cosine to zero at the end (Loshchilov and Hutter 2017, eq. 5)."""

    needs_budget = True

    def shape(self, step: int, progress: float) -> float:
        """Return (1 + cos π·progress) / 2."""
        return (1.0 + cos(pi * progress)) / 2


class StableDecay(Schedule):
    """Constant, then linearly to zero over the last share ``decay`` of the budget.

    Warm-up, stable, decay (Hu et al. 2024, arXiv 2404.06395, section 4.2). Before the fall nothing
    depends on the budget.
    """

    needs_budget = True
    brings: ClassVar = {"keep_best": 1}  # checkpoints from before the fall spoil a mean

    def __init__(self, warmup: int, decay: float) -> None:
        super().__init__(warmup)
        above_zero({"schedule.decay": decay})
        share({"schedule.decay": decay})
        self.decay = decay

    def shape(self, step: int, progress: float) -> float:
        """Return 1, or what is left of the fall."""
        return min(1.0, (1.0 - progress) / self.decay)


class InverseSqrt(Schedule):
    """Fall with 1/√step after the warm-up, from 1 at its end (fairseq's inverse_sqrt)."""

    def shape(self, step: int, progress: float) -> float:
        """Return √(warmup / step) after the warm-up."""
        start = max(self.warmup, 1)
        return (start / max(step, start)) ** 0.5


class Noam(Schedule):
    """Vaswani et al. 2017, eq. 3: width^-0.5 · min(step^-0.5, step · warmup^-1.5)."""

    brings: ClassVar = {"lr": 1.0}  # a factor: the highest rate is lr / √(width · warmup)

    def __init__(self, warmup: int, width: int) -> None:
        super().__init__(warmup)
        at_least(1, {"schedule.width": width})
        self.width = width

    def __call__(self, step: int, progress: float) -> float:
        """Return equation 3; ``optimizer.lr`` is its factor."""
        return self.width**-0.5 * self.shape(step, progress)

    def shape(self, step: int, progress: float) -> float:
        """Return the second half of equation 3, warm-up included."""
        return min(step**-0.5, step * max(self.warmup, 1) ** -1.5)


class Plateau(Schedule):
    """Multiply by ``factor`` whenever dev loss has not fallen for ``patience`` evaluations."""

    def __init__(self, warmup: int, factor: float, patience: int) -> None:
        super().__init__(warmup)
        share({"schedule.factor": factor})
        at_least(1, {"schedule.patience": patience})
        self.factor = factor
        self.patience = patience
        self.now = 1.0
        self.best = float("inf")
        self.waited = 0

    def shape(self, step: int, progress: float) -> float:
        """Return the product of the falls so far."""
        return self.now

    def observe(self, loss: float) -> None:
        """Count an evaluation without a new best; fall when there have been enough of them."""
        better = is_better(loss, self.best, "loss")
        self.waited = 0 if better else self.waited + 1
        self.best = loss if better else self.best
        if self.waited >= self.patience:
            self.now *= self.factor
            self.waited = 0

    def state(self) -> dict[str, float]:
        """Return the factor, the best loss and the evaluations since."""
        return {"now": self.now, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a kept state."""
        self.now, self.best, self.waited = state["now"], state["best"], int(state["waited"])
