"""What the device finds out about an update, for a host that does not stand and wait for it."""

import torch
from torch import Tensor

from nmt.runs.tensors import is_divided


class Later:
    """Whether something is true (), to be asked for when the device has come that far.

    The answer is copied as soon as it is there. Asking waits for this copy, and not for what the
    device was given to do after it.
    """

    def __init__(self, truth: Tensor) -> None:
        self.answer = truth.to("cpu", non_blocking=True)
        self.copied = torch.cuda.Event() if truth.is_cuda else None
        if self.copied:
            self.copied.record()

    def __bool__(self) -> bool:
        """Wait for the answer."""
        if self.copied:
            self.copied.synchronize()
        return bool(self.answer)


def step_if(finite: Tensor, optimizer: torch.optim.Optimizer) -> Later:
    """Change the weights where an update is ``finite`` (); return whether it is.

    A fused optimizer of torch asks the device itself, as it does under
    :class:`torch.amp.GradScaler`; with any other the host waits for the answer.
    """
    later = Later(finite)
    itself = asks_itself(optimizer)
    if itself:
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
    if itself or later:
        optimizer.step()
    return later


def asks_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer leaves a step out where its ``found_inf`` on the device is not 0."""
    divided = any(map(is_divided, optimizer.param_groups[0]["params"]))
    return getattr(optimizer, "_step_supports_amp_scaling", False) and not divided
