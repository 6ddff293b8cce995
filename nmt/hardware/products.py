"""Products on a CPU: who multiplies float32 matrices, and of how many rows.

torch asks MKL, which on AMD's processors leaves half of each AVX-512 unit idle, and oneDNN for
bfloat16. oneDNN multiplies float32 too, where torch is allowed to ask it: on an AMD EPYC of 2024 at
2.2 times the speed, in float32 throughout. What is faster on which processor was measured, by
scripts/benchmark/products.py, and is in the table ``MEASURED``; figures: docs/performance.md. Each
adds in another order, so a training keeps to the one that it began with: :func:`multiplied_by`.

oneDNN makes a kernel for each shape of a product, which takes milliseconds, and keeps those that it
used last. Batches of sentences hardly ever have as many places as one before, so it would make
kernels in every update; rounded up they have.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.errors import UserError, one_of
from nmt.hardware.processor import cpu_flags, cpu_line

MANY = 512  # rows of which it pays to round their number
ONEDNN, TORCH = "onednn", "torch"  # torch: the library that torch asks, on x86 MKL
CHOICES = ("auto", ONEDNN, TORCH)


class Processor(NamedTuple):
    """What decides on a processor which kernels are fast."""

    vendor: str
    avx512: bool
    amx: bool

    def differs(self, other: "Processor") -> int:
        """Count what the two do not share."""
        return sum(mine != theirs for mine, theirs in zip(self, other, strict=True))


class Multipliers(NamedTuple):
    """Who is fastest at products of float32 matrices; where neither: MKL, which torch asks."""

    onednn: bool = False  # oneDNN, in training and elsewhere
    packed: bool = False  # oneDNN with weights that are laid out once, in a translation
    fused: int = 0  # keys from which torch's fused attention is as fast as MKL's products


MEASURED = {
    # EPYC 9005 (Zen 5)
    Processor("AuthenticAMD", avx512=True, amx=False): Multipliers(onednn=True, packed=True),
    # EPYC 7003 (Zen 3)
    Processor("AuthenticAMD", avx512=False, amx=False): Multipliers(packed=True, fused=512),
    # Xeon of the fourth generation; packing was not measured
    Processor("GenuineIntel", avx512=True, amx=True): Multipliers(),
}


class Linear(nn.Linear):
    """x Wᵀ + b, (...,I) -> (...,O), of whole sentences in training as :func:`linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x Wᵀ + b of x (...,I), W (O,I), b (O,), by `F.linear`, or rounded where oneDNN multiplies.

    Many rows in training are meant: few would have little to gain, and their weights are converted
    to autocast's choice again, which `F.linear` does once for many calls.
    """
    if torch.is_grad_enabled() and is_many(x) and is_onednns(product_dtype(x)):
        return _Rounded.apply(x, weight, bias)
    return F.linear(x, weight, bias)


def is_many(x: Tensor) -> bool:
    """Whether x (...,I) has as many rows as whole sentences have, on a CPU."""
    return x.device.type == "cpu" and x.numel() >= MANY * x.size(-1)


def is_onednns(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies numbers of this type on a CPU."""
    there = torch.backends.mkldnn.is_available()
    return there and (dtype == torch.bfloat16 or (dtype == torch.float32 and by_onednn()))


def packs(dtype: torch.dtype) -> bool:
    """Whether a weight of this type is laid out once where a model only translates, on a CPU."""
    there = torch.backends.mkldnn.is_available()
    return is_onednns(dtype) or (there and dtype == torch.float32 and multipliers().packed)


def fuses(num_keys: int, dtype: torch.dtype) -> bool:
    """Whether a CPU attends to so many keys with torch's fused kernel, for products of this type.

    Not in 16 bits and not where oneDNN multiplies: the kernel computes many small products, which
    oneDNN is slow at.
    """
    if dtype.itemsize == 2 or is_onednns(dtype):
        return False
    return num_keys >= (least[-1] if least else multipliers().fused)


@contextmanager
def fused_from(num_keys: int) -> Iterator[None]:
    """Use the fused kernel on a CPU from so many keys on inside the block, whatever is faster."""
    least.append(num_keys)
    try:
        yield
    finally:
        least.pop()


def product_dtype(x: Tensor) -> torch.dtype:
    """Return what products are computed in here: autocast's choice, else that of x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def rounded(x: Tensor, dtype: torch.dtype, multiple: int | None = None) -> Tensor:
    """Rows (...,N,I) in this type; where oneDNN multiplies many, with rows of zeros behind them.

    Then there is a ``multiple`` of these, or one of 16 numbers between two powers of two.
    """
    *leading, num, width = x.shape
    multiple = multiple or 1 << max(0, num.bit_length() - 5)
    more = -num % multiple
    if not more or num < multiple or x.device.type != "cpu" or not is_onednns(dtype):
        return x.to(dtype)
    found = x.new_empty(*leading, num + more, width, dtype=dtype)
    found[..., :num, :] = x
    found[..., num:, :] = 0
    return found


class _Rounded(torch.autograd.Function):
    """(...,I), (O,I), (O,) -> (...,O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        low = product_dtype(x)
        rows = rounded(x.flatten(0, -2), low)  # (N',I)
        matrix = weight.to(low)
        ctx.save_for_backward(rows, matrix)
        ctx.shape, ctx.dtypes = x.shape, (x.dtype, weight.dtype)
        with torch.autocast("cpu", enabled=False):
            found = F.linear(rows, matrix, None if bias is None else bias.to(low))  # (N',O)
        return found[: x.shape[:-1].numel()].view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, matrix = ctx.saved_tensors
        of_x, of_weight = ctx.dtypes
        given = grads[0].flatten(0, -2)
        grad = rounded(given, matrix.dtype)  # (N',O)
        grad_x = (grad @ matrix)[: len(given)].view(ctx.shape).to(of_x)
        grad_w = (grad.mT @ rows).to(of_weight)
        grad_b = given.sum(0, dtype=of_weight) if ctx.needs_input_grad[2] else None
        return grad_x, grad_w, grad_b


chosen: list[str] = []  # who multiplies float32 matrices, by the blocks of multiplied_by
least: list[int] = []  # keys from which the fused kernel attends, by the blocks of fused_from


@contextmanager
def multiplied_by(name: str) -> Iterator[str]:
    """Fix who multiplies float32 matrices on a CPU inside the block, and say who it is.

    ``onednn``, ``torch``, or ``auto``: what was measured to be faster on this processor. UserError
    for another name, and for oneDNN where its products are not float32's.
    """
    one_of(CHOICES, {"products": name})
    if name == ONEDNN and not exact_by_onednn():
        raise UserError(
            f"products={ONEDNN}: on this machine oneDNN does not compute products in full float32. "
            f"Use products={TORCH}, or products=auto"
        )
    chosen.append(fastest() if name == "auto" else name)
    try:
        yield chosen[-1]
    finally:
        chosen.pop()


@contextmanager
def onednn_allowed() -> Iterator[None]:
    """Let oneDNN multiply float32 matrices inside the block where that is faster and as exact.

    Inside a block of :func:`multiplied_by`, where that says so.

    What torch calls that permission is fp32_precision = "bf16": the product may be rounded on its
    way. oneDNN rounds where the processor has AMX, so it is given there to none; and elsewhere only
    after it was seen not to round.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    try:
        if (chosen[-1] if chosen else fastest()) == ONEDNN:
            matmul.fp32_precision = "bf16"
        yield
    finally:
        matmul.fp32_precision = before


def fastest() -> str:
    """Return who was measured to be faster on this processor, if it is as exact."""
    return ONEDNN if multipliers().onednn and exact_by_onednn() else TORCH


@cache
def exact_by_onednn() -> bool:
    """Whether oneDNN is there, and its products are float32's on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        with torch.autocast("cpu", enabled=False):
            return exact()
    finally:
        matmul.fp32_precision = before


def by_onednn() -> bool:
    """Whether oneDNN multiplies float32 matrices."""
    return torch.backends.mkldnn.matmul.fp32_precision == "bf16"  # type: ignore[attr-defined]


@cache
def multipliers() -> Multipliers:
    """Return what was measured on the processor of this kind, or on the nearest of its vendor."""
    return nearest(cpu_line("vendor_id"), cpu_flags())


def nearest(vendor: str, flags: Set[str]) -> Multipliers:
    """Return what was measured on the most similar processor of a vendor."""
    here = Processor(vendor, "avx512f" in flags, any(flag.startswith("amx") for flag in flags))
    known = [one for one in MEASURED if one.vendor == vendor]
    return MEASURED[min(known, key=here.differs)] if known else Multipliers()


def exact() -> bool:
    """Whether products of some sizes are float32's: 1 + 2⁻²⁰, which bf16 and tf32 round to 1."""
    for size in (8, 64, 512):
        numbers = torch.full((size, size), 1 + 2**-20)
        for product in (numbers @ torch.eye(size), torch.eye(size) @ numbers.T):
            if not torch.equal(product, numbers):
                return False
    return True
