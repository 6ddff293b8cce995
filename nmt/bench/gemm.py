"""What the machine can do: how fast it multiplies large matrices, which a model is held against."""

import torch
from torch.utils.benchmark import Timer

SECONDS = 0.3  # of repetition for each size


def gemm_rate(device: torch.device, precision: torch.dtype) -> float:
    """Return operations per second: the fastest product of two large square matrices."""
    sizes = (4096, 8192) if device.type == "cuda" else (1024, 2048)
    return max(2 * size**3 / fastest(size, device, precision) for size in sizes)


def fastest(size: int, device: torch.device, precision: torch.dtype) -> float:
    """Return the seconds of the fastest of some products of that size."""
    a, b = (torch.randn(size, size, device=device, dtype=precision) for _ in range(2))
    timer = Timer("a @ b", globals={"a": a, "b": b}, num_threads=torch.get_num_threads())
    return min(timer.blocked_autorange(min_run_time=SECONDS).times)
