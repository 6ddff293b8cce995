"""Weights as a CPU's kernels want them, while a model only translates.

oneDNN rearranges a weight for each product with it. Training changes the weights after each
update; a translation reads the same ones at every step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.hardware.products import packs
from nmt.models.recurrent import Recurrent

Product = Callable[[Tensor], Tensor]  # x (...,I) -> x Wᵀ + b (...,O)

ROWS = 320  # of x, for which a weight is rearranged: 64 sentences with 5 hypotheses each


@contextmanager
def packed(model: nn.Module, precision: torch.dtype) -> Iterator[None]:
    """Have oneDNN multiply, inside the block, with weights that are rearranged once.

    Where ``precision`` is bf16 they are also converted once. For inference only: the weights must
    not change in the block, and are in memory twice. Nothing happens on processors where this was
    not measured to be faster in this precision, nor to weights that are divided (FSDP) or not in
    float32. Nested blocks change nothing.
    """
    shadowed: list[tuple[nn.Module, str]] = []
    try:
        for module, method, weight, bias in products(model):
            if method not in vars(module) and can_be_packed(weight, precision):
                setattr(module, method, pack(weight, bias, precision))
                shadowed.append((module, method))
        yield
    finally:
        for module, method in shadowed:
            delattr(module, method)


def products(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor, Tensor | None]]:
    """Find the methods that are x Wᵀ + b and nothing else, each with W (O,I) and b (O,)."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            yield module, "forward", module.weight, module.bias
        if isinstance(module, Recurrent):
            read, carried, *biases = module.weights
            yield module, "gates", read, biases[0]
            yield module, "recur", carried, biases[1]


def can_be_packed(weight: Tensor, precision: torch.dtype) -> bool:
    """Whether it pays to lay this weight out once."""
    whole = type(weight) in (Tensor, nn.Parameter)
    there = weight.device.type == "cpu" and weight.dtype == torch.float32
    return whole and there and packs(precision)


def pack(weight: Tensor, bias: Tensor | None, precision: torch.dtype) -> Product:
    """Rearrange W (O,I) and return the product with it, in ``precision`` as under autocast."""
    onednn = torch.ops.mkldnn
    laid_out = onednn._reorder_linear_weight(weight.detach().to(precision), ROWS)
    bias = None if bias is None else bias.detach().to(precision)

    def product(x: Tensor) -> Tensor:
        return onednn._linear_pointwise(x.to(precision), laid_out, bias, "none", [], "")

    return product
