"""Who multiplies float32 matrices on a CPU.

torch asks MKL, which on AMD's processors leaves half of each AVX-512 unit idle, and oneDNN for
bfloat16. oneDNN multiplies float32 too, where torch is allowed to ask it: on an AMD EPYC of 2024 at
2.2 times the speed, in float32 throughout. Measured effect: docs/performance.md.
"""

import torch

from nmt.processor import cpu_flags, cpu_line


def allow_onednn() -> None:
    """Let oneDNN multiply float32 matrices where that is faster and as exact.

    What torch calls that permission is fp32_precision = "bf16": the product may be rounded on its
    way. oneDNN rounds where the processor has AMX, so it is given there to none; and elsewhere only
    after it was seen not to round.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    if by_onednn() or not torch.backends.mkldnn.is_available() or not leaves_mkl_slow():
        return
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    if not exact():
        matmul.fp32_precision = before


def by_onednn() -> bool:
    """Whether oneDNN multiplies float32 matrices."""
    return torch.backends.mkldnn.matmul.fp32_precision == "bf16"  # type: ignore[attr-defined]


def leaves_mkl_slow() -> bool:
    """Whether the processor has AVX-512, which MKL uses on Intel's alone, and no AMX."""
    flags = cpu_flags()
    amx = any(flag.startswith("amx") for flag in flags)
    return cpu_line("vendor_id") == "AuthenticAMD" and "avx512f" in flags and not amx


def exact() -> bool:
    """Whether products of some sizes are float32's: 1 + 2⁻²⁰, which bf16 and tf32 round to 1."""
    for size in (8, 64, 512):
        numbers = torch.full((size, size), 1 + 2**-20)
        for product in (numbers @ torch.eye(size), torch.eye(size) @ numbers.T):
            if not torch.equal(product, numbers):
                return False
    return True
