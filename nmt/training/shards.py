"""Processes that divide a model among them (FSDP2, torch's fully_shard), each with a part."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.runs.tensors import full_tensor
from nmt.training.loss import BatchLoss
from nmt.training.together import Objective, Together


class Sharded(Together):
    """One of several processes that divide weights, gradients and the optimizer's state.

    Each parameter is a DTensor: each process holds some of its rows. A forward or backward pass
    gathers the weights of one unit of the model at a time, so all processes have to make the same
    passes. Evaluation makes passes of its own, with a model of its own, which has weights only
    inside :meth:`unsharded`.
    """

    root: Objective  # with the model that is trained
    evaluated: Seq2Seq

    def check(self, optimizer: torch.optim.Optimizer) -> None:
        """Raise UserError for an optimizer other than Adam and AdamW, known to work on parts."""
        if not isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
            raise UserError(
                "train.shard=true: each process holds a part of every matrix, but "
                f"{type(optimizer).__name__} may need whole matrices; choose optimizer=adam or "
                "optimizer=adamw"
            )

    def shard(self, model: Seq2Seq) -> Seq2Seq:
        """Return a copy of the model, divided; the model is empty from then on."""
        self.copy_first(model)
        device = next(model.parameters()).device
        trained = deepcopy(model.cpu())  # from where the units come to the device one by one
        empty(model)
        self.evaluated = model.to(device)
        self.root = Objective(trained)
        scalars = {one for one in trained.parameters() if one.dim() == 0}  # which have no rows
        for scalar in scalars:
            scalar.data = scalar.data.to(device)
            if scalar.requires_grad:
                scalar.register_hook(self.mean)
        # Nothing is written into what a unit returns: it may be a view.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        mesh = init_device_mesh(device.type, (self.size,))
        for module in (*trained.units(), self.root):
            fully_shard(module, mesh=mesh, ignored_params=scalars)
        return trained

    def in_words(self) -> str:
        """Describe the processes and who holds the parameters, before what each computes with."""
        return f"{self.size} processes that share them, each with "

    def mean(self, mine: Tensor) -> Tensor:
        """Return the mean of a tensor of the same shape over the processes."""
        return self.summed(mine) / self.size

    @contextmanager
    def unsharded(self) -> Iterator[None]:
        """Have the trained weights, inside the block, in the model given to :meth:`shard`."""
        pairs = zip(self.evaluated.parameters(), self.root.parameters(), strict=True)
        for parameter, part in pairs:
            parameter.data = full_tensor(part.detach()).clone()
        try:
            yield
        finally:
            empty(self.evaluated)

    def full(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of the trained model whole, on the CPU, only in the first process."""
        found: dict[str, Tensor] = {}
        for name, part in tensors.items():
            tensor = full_tensor(part)
            if self.first:
                found[name] = tensor.cpu()
        return found

    def objective(self, model: Seq2Seq, loss: BatchLoss) -> BatchLoss:
        """Return the loss whose backward pass computes this process's part of the mean gradient."""
        assert model is self.root.model
        return lambda _, batch, smoothing: self.root(loss, batch, smoothing)

    def apart(self) -> AbstractContextManager[None]:
        """Add gradients as parts here, too: whole ones would take the memory of a model."""
        return nullcontext()


def empty(model: nn.Module) -> None:
    """Free the memory of a model's weights."""
    for parameter in model.parameters():
        parameter.data = parameter.data.new_empty(0)
