"""What the device finds out about an update, without the host waiting for it."""

import torch
from torch import Tensor

from nmt.runs.tensors import is_divided


class Later:
    """A truth value () on the device, to be read when the device has computed it.

    It is copied to the host as soon as it is known. Reading waits for this copy, not for later work
    of the device.
    """

    def __init__(self, truth: Tensor) -> None:
        self.answer = truth.to("cpu", non_blocking=truth.is_cuda)
        self.copied = torch.cuda.Event() if truth.is_cuda else None
        if self.copied:
            self.copied.record()

    def __bool__(self) -> bool:
        """Wait for the answer."""
        if self.copied:
            self.copied.synchronize()
        return bool(self.answer)


def step_if(finite: Tensor, optimizer: torch.optim.Optimizer) -> Later:
    """Change the weights if an update is ``finite`` (); return whether it is.

    A fused optimizer of torch checks on the device, as it does under :class:`torch.amp.GradScaler`;
    with any other the host waits.
    """
    later = Later(finite)
    itself = asks_itself(optimizer)
    if itself:
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
    if itself or later:
        optimizer.step()
    return later


def asks_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer skips a step if its ``found_inf`` on the device is not 0."""
    divided = any(map(is_divided, optimizer.param_groups[0]["params"]))
    return getattr(optimizer, "_step_supports_amp_scaling", False) and not divided
