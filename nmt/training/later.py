"""What the device finds out about an update, for a host that does not stand and wait for it."""

import torch
from torch import Tensor


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
