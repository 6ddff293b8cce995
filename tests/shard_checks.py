"""What each of two processes does before or instead of a command; see :mod:`forked`."""

import math
import sys

import torch
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_transformer
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from nmt.batches.batch import Batch
from nmt.runs.tensors import full_tensor
from nmt.training.gradients import Gradients
from nmt.training.loss import Loss, batch_loss
from nmt.training.penalized import with_penalties
from nmt.training.process_group import connected
from nmt.training.tally import Update


def held(tensors: list[Tensor]) -> float:
    """The share of some tensors' numbers that this process has in memory."""
    local = [one.to_local() if isinstance(one, DTensor) else one for one in tensors]
    return sum(one.numel() for one in local) / sum(one.numel() for one in tensors)


def batches(number: int) -> list[Batch]:
    torch.manual_seed(number)
    return [
        Batch(
            torch.randint(4, SOURCE_VOCABULARY, (3, 5 + size)),
            torch.randint(4, TARGET_VOCABULARY, (3, 7 + size)),
        )
        for size in range(number)
    ]


def updated(model: nn.Module, objective, shares: list[Batch], scale: float) -> list[Tensor]:
    """Norm, gradients and weights of an update of some batches, whole."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    for batch in shares:
        loss: Loss = objective(model, batch, 0.1)
        (loss.objective * scale).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    optimizer.step()
    if isinstance(gradients[0], DTensor):
        states = [one for kept in optimizer.state.values() for one in kept.values() if one.dim()]
        for divided in (list(model.parameters()), gradients, states):
            assert 0.4 < held(divided) < 0.6
    return [full_tensor(one.detach()) for one in (norm, *gradients, *model.parameters())]


def divide() -> None:
    """Each process holds half of all that is kept, and both together do what one would."""
    with connected(1, "cpu", shard=True) as ranks:
        torch.manual_seed(1)
        choices = {"attention": "cosine", "gate": "l0", "tie_output": True, "dropout": 0.0}
        model, alone = (small_transformer(**choices).eval() for _ in range(2))  # gates draw nothing
        alone.load_state_dict(model.state_dict())
        trained = ranks.shard(model)
        assert not any(one.numel() for one in model.parameters())
        assert trained.output.weight is trained.target_embedding.weight

        shared = ranks.mine(batches(4))
        loss = with_penalties(batch_loss, trained)
        objective = ranks.objective(trained, loss)
        found = updated(trained, objective, shared, ranks.size)
        wanted = updated(alone, loss, batches(4), 1.0)

        torch.testing.assert_close(found, wanted)
        with ranks.unsharded():
            assert model.output.weight is model.target_embedding.weight
            for one, other in zip(model.parameters(), alone.parameters(), strict=True):
                torch.testing.assert_close(one, other)
            if ranks.first:  # the other passes of one process alone wait for nobody
                batch_loss(model, batches(1)[0], 0.0).objective.backward()
        assert not any(one.numel() for one in model.parameters())
    sys.exit(0)


def spoil() -> None:
    """The second process's part of the third update's gradient is infinite."""
    call, passes = Gradients.__call__, Gradients.passes
    begun = [0]  # the update

    def called(self: Gradients, given: list[Batch], step: int, progress: float) -> Update:
        begun[0] = step
        return call(self, given, step, progress)

    def spoiled(self: Gradients, batch: Batch, divisor: Tensor) -> Loss:
        loss = passes(self, batch, divisor)
        if begun[0] == 3 and self.ranks.rank == 1:
            part = self.model.output.weight.grad
            assert isinstance(part, DTensor)
            part.to_local().fill_(math.inf)
        return loss

    Gradients.__call__ = called  # type: ignore[method-assign]
    Gradients.passes = spoiled  # type: ignore[method-assign]
