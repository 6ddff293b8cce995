"""Tensors on disk (only safetensors), and tensors that are divided among processes (DTensors)."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nmt.errors import UserError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a file. UserError where it is damaged."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise damaged(path, error) from error


def check_tensors(model: nn.Module, path: Path) -> None:
    """Raise UserError where a file does not hold the parameters of a model, by name and shape.

    Only the header of the file is read, so it can be checked with a model on torch's meta device,
    before any memory is allocated.
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
        raise UserError(
            f"{path} does not match the configured model: {', '.join(wrong[:3])} differ"
        )


def stored_step(path: Path) -> int | None:
    """Return the step in a file of tensors; None: it has none, or is damaged.

    See :func:`nmt.runs.checkpoint.save_tensors`.
    """
    try:
        with safe_open(path, "pt") as file:
            step = (file.metadata() or {}).get("step", "")
    except SafetensorError:
        return None
    return int(step) if step.isdecimal() and len(step) < 20 else None


def full_tensor(tensor: Tensor) -> Tensor:
    """Return the whole tensor. If it is divided, all processes have to call this."""
    return tensor.full_tensor() if is_divided(tensor) else tensor  # type: ignore[attr-defined]


def is_divided(tensor: Tensor) -> bool:
    """Whether a tensor is divided among processes, a DTensor."""
    return hasattr(tensor, "full_tensor")


def shard_like(like: Tensor, tensor: Tensor) -> Tensor:
    """Return a tensor that is divided like ``like``."""
    if not is_divided(like):
        return tensor
    # Here, since it takes a second to import, and most commands divide nothing.
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


def damaged(path: Path, error: SafetensorError) -> UserError:
    """Return the error for a damaged file."""
    return UserError(f"{path} is damaged, or not a safetensors file: {error}. Copy it again")
