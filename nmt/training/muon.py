"""Muon for the matrices of the layers, AdamW for everything else, as one optimizer."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from nmt.errors import share
from nmt.hardware.runtime import computes_bf16

LAYERS = ("encoder.", "bridge.", "decoder.")  # between the embeddings and the output layer
QUINTIC = 3.4445, -4.7750, 2.0315  # of Jordan et al. 2024: steep at 0, roughly 1 from 0.7 on


class Muon(Optimizer):
    """Momentum, made orthogonal before it is subtracted from a matrix (Jordan et al. 2024).

    A step along one direction of the matrix is then as long as along any other. Embeddings, output
    layer, biases and norms use AdamW. Steps of both have the same size (Liu et al. 2025, arXiv
    2502.16982, section 2.2), so there is one learning rate.

    params: the model's parameters with their names. UserError for a momentum that is not between 0
    and 1.
    """

    def __init__(
        self,
        params: Iterable[tuple[str, nn.Parameter]],
        lr: float,
        momentum: float,
        weight_decay: float,
        betas: tuple[float, float],
        eps: float,
        fused: bool | None = None,
    ) -> None:
        share({"optimizer.momentum": momentum})
        named = list(params)
        matrices = [one for name, one in named if is_matrix(name, one)]
        others = [one for name, one in named if not is_matrix(name, one)]
        super().__init__([one for _, one in named], {})
        self.parts = (
            MatrixMuon(matrices, lr, momentum, weight_decay),
            AdamW(others, lr, (betas[0], betas[1]), eps, weight_decay, fused=fused),
        )
        self._step_supports_amp_scaling = bool(fused)
        self.found_inf: Tensor | None = None
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the matrices, then the others; neither where ``found_inf`` () is not 0."""
        assert closure is None
        for part in self.parts:
            part.found_inf = self.found_inf  # type: ignore[attr-defined]
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Give both parts their group and the state of this optimizer."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups = [group]
            part.state = self.state


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter is a matrix of a layer."""
    return name.startswith(LAYERS) and parameter.ndim == 2 and min(parameter.shape) > 1


class MatrixMuon(Optimizer):
    """Muon of Liu et al. 2025, algorithm 1 with Nesterov's momentum; matrices of a shape at once.

    A model has few shapes of matrices, and a single matrix does not keep a GPU or a vector unit
    busy. The result is that of torch.optim.Muon, which takes them one by one.

    ``found_inf`` () is as in torch's fused optimizers: where it is not 0 nothing changes.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.found_inf: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the matrices that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes[matrix.shape].append(matrix)
            for matrices in shapes.values():
                self._update(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def _update(
        self, matrices: list[Tensor], lr: float, momentum: float, weight_decay: float
    ) -> None:
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        before = torch.stack(buffers)  # (N,A,B)
        gradient = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        taken: float | Tensor = 1.0
        if self.found_inf is not None:
            taken = (self.found_inf == 0).float()
            gradient = torch.where(taken.bool(), gradient, before)  # so they stay as they are
        after = before.lerp(gradient, 1 - momentum)
        direction = orthogonal(gradient.lerp(after, momentum))
        rate = lr * 0.2 * max(gradient.shape[1:]) ** 0.5  # AdamW's root mean square, section 2.2
        now = torch.stack(matrices) * (1 - lr * weight_decay * taken)
        now -= rate * taken * direction.to(now.dtype)
        for old, new in ((buffers, after), (matrices, now)):
            torch._foreach_copy_(old, list(new))  # type: ignore[attr-defined]


def orthogonal(x: Tensor, steps: int = 5) -> Tensor:
    """Move all singular values of matrices (N,A,B) to about 1; singular vectors stay the same.

    A Newton-Schulz iteration, x ← a·x + b·(xxᵀ)x + c·(xxᵀ)²x (Jordan et al. 2024); in bf16 where
    the device multiplies it, for the singular values end between 0.7 and 1.2 anyway.
    """
    a, b, c = QUINTIC
    tall = x.size(1) > x.size(2)
    x = x.mT if tall else x
    x = x.to(torch.bfloat16 if computes_bf16(x.device) else torch.float32)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
