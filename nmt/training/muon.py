"""Muon for the matrices of the layers, AdamW for all else, as one optimizer."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim import Muon as MatrixMuon

LAYERS = ("encoder.", "bridge.", "decoder.")  # between the embeddings and the output layer


class Muon(Optimizer):
    """Momentum, made orthogonal before it is taken off a matrix (Jordan et al. 2024).

    A step along one direction of the matrix is then as long as along any other. Embeddings, output
    layer, biases and norms are no such matrices and have AdamW. Steps of both have the same size
    (Liu et al. 2025, arXiv 2502.16982, section 2.2), so there is one learning rate.

    params: the model's parameters with their names.
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
        named = list(params)
        matrices = [one for name, one in named if is_matrix(name, one)]
        others = [one for name, one in named if not is_matrix(name, one)]
        super().__init__([one for _, one in named], {})
        self.parts = (
            MatrixMuon(
                matrices,
                lr=lr,
                momentum=momentum,
                weight_decay=weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            AdamW(others, lr, (betas[0], betas[1]), eps, weight_decay, fused=fused),
        )
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the matrices, then the others."""
        assert closure is None
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Let both parts have their group and the state of this optimizer."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups = [group]
            part.state = self.state


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter is a matrix of a layer."""
    return name.startswith(LAYERS) and parameter.ndim == 2 and min(parameter.shape) > 1
