"""Tensors on disk: safetensors alone, which hold numbers and nothing that executes."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nmt.errors import UserError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file. UserError where it is not whole."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise damaged(path, error) from error


def check_tensors(model: nn.Module, path: Path) -> None:
    """Raise UserError where a file does not hold the parameters of a model, by name and shape.

    Only the file's header is read, so a model on torch's meta device can be asked about before
    memory is taken for one.
    """
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise damaged(path, error) from error
    parameters = {name: tuple(p.shape) for name, p in model.named_parameters()}
    wrong = sorted(shapes.keys() ^ parameters.keys()) or [
        name for name, shape in parameters.items() if shapes[name] != shape
    ]
    if wrong:
        raise UserError(f"{path} is not of the configured model: {', '.join(wrong[:3])} differ")


def damaged(path: Path, error: SafetensorError) -> UserError:
    """Say that a file is not what was written."""
    return UserError(f"{path} is damaged, or no safetensors file: {error}. Copy it again")
