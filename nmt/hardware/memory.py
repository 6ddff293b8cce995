"""Too little memory: one exception for every device, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nmt.errors import UserError

TO_TRANSLATE = (
    "the device has too little memory to translate: lower decode.batch_size, "
    "decode.batch_tokens or decode.beam (train.dev_beam during training)"
)
FOR_THE_MODEL = (
    "the device has too little memory for the model, its gradient and its optimizer: train a "
    "smaller model, or use another device (device=cpu)"
)
OF_A_CPU = ("DefaultCPUAllocator", "std::bad_alloc")  # words of its RuntimeErrors


@contextmanager
def as_out_of_memory() -> Iterator[None]:
    """Raise torch.OutOfMemoryError also where a CPU has no memory for what the block does.

    A GPU's allocator raises it; a CPU's raises a RuntimeError, and Python and NumPy a MemoryError.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        known = isinstance(error, MemoryError) or any(word in str(error) for word in OF_A_CPU)
        if not known or isinstance(error, torch.OutOfMemoryError):
            raise
        raise torch.OutOfMemoryError(str(error)) from error


@contextmanager
def enough_memory(otherwise: str) -> Iterator[None]:
    """Raise UserError, with these words, where the device has no memory for what the block does."""
    try:
        with as_out_of_memory():
            yield
    except torch.OutOfMemoryError as error:
        raise UserError(otherwise) from error
