"""Fuses the operations between the products of a model into few kernels, by torch.compile."""

import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import nn

from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import Transformer
from nmt.training.loss import BatchLoss, batch_loss
from nmt.training.rows import rows_in_one_pass


def check_compiler(device: torch.device) -> None:
    """Raise UserError if a compiler, or a device to compile for, is missing."""
    if device.type != "cuda":
        raise UserError(
            "train.compile=true needs a GPU (compiled CPU code was not faster): remove it"
        )
    compilers = [os.environ["CC"]] if "CC" in os.environ else ["cc", "gcc", "clang"]
    if not any(map(shutil.which, compilers)):
        raise UserError(
            f"train.compile=true needs a C compiler ({', '.join(compilers)}): install one, or "
            "remove train.compile"
        )
    if not importlib.util.find_spec("triton"):
        raise UserError(
            "train.compile=true needs the package triton: pip install triton, or remove "
            "train.compile"
        )


def compile_layers(model: Seq2Seq) -> None:
    """Compile a Transformer's layers, all of a kind together, for training.

    Evaluation is not compiled: it would need one more compilation for each way of evaluating.
    """
    if isinstance(model, Transformer):
        for layer in model.units():
            in_training(layer)


def in_training(module: nn.Module) -> None:
    """Compile the forward pass of a module for training, for all shapes at once.

    It is replaced by a method, which a deep copy of the module binds to itself.
    """
    plain = type(module).forward
    compiled = in_all_shapes(plain)

    def forward(self: nn.Module, *args: Any) -> Any:
        return (compiled if self.training else plain)(self, *args)

    module.forward = MethodType(forward, module)


def compiled_loss() -> BatchLoss:
    """Return :func:`batch_loss` whose sums and gradients over logits are compiled."""
    return partial(batch_loss, rows=in_all_shapes(rows_in_one_pass))


def in_all_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is called."""
    # torch's advice to round float32 products to TF32: for fewer bits there is precision=bf16
    warnings.filterwarnings("ignore", "TensorFloat32", UserWarning)
    return torch.compile(function, dynamic=True)
