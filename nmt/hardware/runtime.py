"""The machine: device, precision, seeds, memory."""

import ctypes
import gc
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

from nmt.errors import UserError
from nmt.hardware.processor import cpu_flags
from nmt.hardware.products import allow_onednn


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the GPU where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device={name}: there are auto, cpu and cuda") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device={name} cannot be used here: {reason}") from error
    return device


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return what products are computed in: ``fp32``, ``bf16``, or ``auto``.

    ``auto`` is bf16 where the hardware computes it, a CPU with AVX512-BF16 or AMX included.
    Weights, optimizer, sums, softmax and loss are float32 in either case. A GPU rounds none of it
    to TF32, neither in training nor in translation, see :func:`prepare_process`.
    """
    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if name == "bf16" and device.type == "cpu" and not computes_bf16(device):
        raise UserError(
            "precision=bf16: this processor has no products in bf16 (AVX512-BF16 or AMX); "
            "take precision=auto"
        )
    if name in known:
        return known[name]
    if name != "auto":
        raise UserError(f"precision={name}: there are auto, bf16 and fp32")
    return torch.bfloat16 if computes_bf16(device) else torch.float32


def computes_bf16(device: torch.device) -> bool:
    """Tell whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    found = torch.backends.cpu.get_cpu_capability() != "DEFAULT" and cpu_flags()
    return bool(found and {"avx512_bf16", "amx_bf16"} & found)


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Compute products in ``precision`` inside the block."""
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


def prepare_process(device: torch.device) -> None:
    """Set up memory and kernels for a model on this device; to be called before the first product.

    None of it changes what is computed, but for the order of sums.
    """
    keep_heap()
    bound_kernels()
    if device.type == "cpu":
        allow_onednn()
    if device.type == "cuda":
        if device.index is not None:  # graphs are recorded on the current one
            torch.cuda.set_device(device)
        # Of the attention kernels, cuDNN plans its own for each shape of a batch: 20 ms, and 18 in
        # an update. Flash attention is for long sequences: of 30 pieces its gradient takes three
        # times as long as that of the kernel that is left.
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cuda.enable_flash_sdp(False)
        # TF32 has the 10 bits of fp16, and torch rounds to it in cuDNN's LSTM and GRU by default.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


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


def bound_kernels() -> None:
    """Let oneDNN keep 256 kernels and torch 128, not 1,024 each.

    A kernel is made for each shape of its operands and kept, with a workspace of megabytes, until
    that shape comes again; but of sentences, batches of a shape are rare. A few updates of a model
    need fewer than these, see :func:`nmt.hardware.products.rounded`. Measured effect:
    docs/results.md.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "128")


def seed_everything(seed: int, device: torch.device, deterministic: bool) -> None:
    """Seed torch's generators; with ``deterministic`` refuse kernels whose result may vary."""
    torch.manual_seed(seed)
    if deterministic:  # cuBLAS asks for it, before its first product
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = deterministic
        torch.backends.cudnn.benchmark = False


def forget_peak_memory(device: torch.device) -> None:
    """Begin to measure :func:`peak_memory` anew, as far as the system lets a process do that.

    What earlier runs of the same process freed is given back first; Linux then forgets the peak.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        with suppress(OSError):  # proc(5): 5 resets the peak resident set
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Return the most bytes in use since :func:`forget_peak_memory`.

    On a GPU what torch had allocated there, elsewhere the resident set of the whole process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
