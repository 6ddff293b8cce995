"""What the command `nmt` sets up for its own process, before torch and other libraries are loaded.

A program that imports `nmt` keeps its own settings, see :mod:`nmt.api.undisturbed`.
"""

import ctypes
import os
import sys

# Read by libraries when they are loaded, or when they first compute.
ENVIRONMENT = {
    # Let oneDNN keep 256 kernels and torch 128, not 1,024 each. A kernel is made for each shape of
    # its operands and kept, with a workspace of megabytes, until that shape comes again; but
    # batches of sentences rarely have the same shape. A few updates of a model need fewer than
    # these, see `nmt.hardware.products.rounded`. Measured effect: docs/lab-notebook.md.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256",
    "LRU_CACHE_CAPACITY": "128",
    # The Hugging Face libraries send no messages home about what is loaded.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
}


def prepare_process() -> None:
    """Set up memory and environment. Changes nothing in the results; the user's settings win."""
    keep_heap()
    set_environment()


def set_environment() -> None:
    """Set the variables of ``ENVIRONMENT`` that the user has not set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def keep_heap() -> None:
    """Keep freed memory in the process: training asks for the same large tensors at each step.

    By default glibc gives blocks of more than 32 MB back at once, and the kernel clears each page
    again when it is asked for anew. Measured effect: docs/performance.md.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**31 - 1)
