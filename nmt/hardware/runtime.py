"""The machine: device, precision, seeds, memory."""

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from nmt.errors import UserError, at_least, at_most
from nmt.hardware.processor import cpu_flags
from nmt.hardware.products import onednn_allowed


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the CUDA GPU if there is one, else the CPU.

    Apple's GPU, ``mps``, is used only if it is named: nobody has measured it yet.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device={name}: choose one of auto, cpu, cuda, mps") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device={name} cannot be used here: {reason}") from error
    return device


def widest(device: torch.device) -> torch.dtype:
    """Return the most exact type that the device computes in: float64, on Apple's GPU float32."""
    return torch.float32 if device.type == "mps" else torch.float64


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return what products are computed in: ``fp32``, ``bf16``, or ``auto``.

    ``auto`` is bf16 where the hardware computes it, a CPU with AVX512-BF16 or AMX included.
    Weights, optimizer, sums, softmax and loss are float32 in either case. A GPU rounds none of it
    to TF32, neither in training nor in translation, see :func:`kernels`.
    """
    known = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if name == "bf16" and device.type == "cpu" and not computes_bf16(device):
        raise UserError(
            "precision=bf16: this processor does not support bf16 (AVX512-BF16 or AMX); use "
            "precision=auto"
        )
    if name in known:
        return known[name]
    if name != "auto":
        raise UserError(f"precision={name}: choose one of auto, bf16, fp32")
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


@contextmanager
def threads(number: int | None) -> Iterator[int]:
    """Let so many threads compute on the CPU inside the block, and say how many; None: as before.

    None means what ``OMP_NUM_THREADS`` says, or one per core. Sums depend on the number. UserError
    for a number that is too small or too large.
    """
    at_least(1, {"threads": number})
    at_most(1024, {"threads": number})
    before = torch.get_num_threads()
    torch.set_num_threads(before if number is None else number)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextmanager
def kernels(device: torch.device) -> Iterator[None]:
    """Choose the kernels that compute on this device inside the block.

    The choice changes only the order of sums. It holds for the whole process, so afterwards
    everything is as it was before.
    """
    with ExitStack() as until:
        if device.type == "cpu":
            until.enter_context(onednn_allowed())
        if device.type == "cuda":
            cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
            if device.index is not None:  # graphs are recorded on the current one
                until.enter_context(torch.cuda.device(device))
            # Of the attention kernels, cuDNN plans its own for each shape of a batch: 20 ms, and 18
            # in an update. Flash attention is for long sequences: of 30 pieces its gradient takes
            # three times as long as that of the kernel that is left.
            for enabled, enable in (
                (cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp),
                (cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
            ):
                until.callback(enable, enabled())
                enable(False)
            # TF32 has the 10 bits of fp16, and torch rounds to it in cuDNN's LSTM and GRU by
            # default.
            backends: tuple[Any, Any] = cuda.matmul, cudnn
            for backend in backends:
                until.callback(setattr, backend, "allow_tf32", backend.allow_tf32)
                backend.allow_tf32 = False
        yield


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
