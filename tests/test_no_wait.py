"""Between two lines of metrics nothing in an update waits for the device.

Here tensors have shapes and no numbers (torch's FakeTensorMode), so that whatever would have the
host know one, as `item()`, `if tensor:` and `x[mask]` do, is an error.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from choices import names
from rich.console import Console
from small_model import CHOICES, TRANSFORMER_CHOICES, small_rnn, small_transformer
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.optim import Optimizer

from nmt.config import Train
from nmt.data.batch import Batch
from nmt.models.seq2seq import Seq2Seq
from nmt.report.logger import Logger
from nmt.report.progress import Progress
from nmt.training.consistency import RDrop, SimCut
from nmt.training.guided import Guided
from nmt.training.later import Later
from nmt.training.loss import BatchLoss, Loss, batch_loss
from nmt.training.muon import Muon
from nmt.training.schedule import Constant
from nmt.training.trainer import Trainer, Work

MODELS = {"rnn": small_rnn, "transformer": small_transformer}
LOSSES = {
    "alone": batch_loss,
    "rdrop": RDrop(weight=5.0),
    "simcut": SimCut(weight=3.0, cutoff=0.1),
    "guided": Guided(batch_loss, weight=1.0, layer=None, head=None, shift=True),
}
B, S, T = 3, 7, 5


class NoData(NamedTuple):
    """Stands where a loader does when updates are given by hand."""

    def num_batches(self, epoch: int) -> int:
        return 1


def adamw(model: nn.Module) -> Optimizer:
    return torch.optim.AdamW(model.parameters(), fused=True)


def muon(model: nn.Module) -> Optimizer:
    return Muon(model.named_parameters(), 1e-3, 0.9, 0.0, (0.9, 0.98), 1e-9, fused=True)


def two_updates(
    folder: Path,
    make_model: Callable[..., Seq2Seq],
    loss: BatchLoss = batch_loss,
    make_optimizer: Callable[[nn.Module], Optimizer] = adamw,
    **model: Any,
) -> None:
    """Train on nothing, with all that an update can have."""
    new = make_model(dropout=0.1, word_dropout=0.1, **model)
    batch = Batch(
        torch.empty(B, S, dtype=torch.long),
        torch.empty(B, T + 1, dtype=torch.long),
        torch.empty(B, T, S),
        counted=B * T - 2,
    )
    with Logger(folder) as logger:
        trainer = Trainer(
            model=new,
            optimizer=make_optimizer(new),
            schedule=Constant(warmup=1),
            loss=loss,
            loader=NoData(),  # type: ignore[arg-type]
            evaluate=lambda _: {},
            logger=logger,
            progress=Progress(Console(quiet=True)),
            config=Train(max_steps=9, ema=0.9),
            device=torch.device("cpu"),
            precision=torch.bfloat16,
            run=folder,
        )
        for _ in range(2):
            trainer.train_step(Work([batch, batch], 0, 2, {}))
        assert trainer.tally.updates == 1


@pytest.fixture(autouse=True)
def no_numbers(monkeypatch):
    """The one answer that is asked for, when the next update is on its way, is yes."""
    monkeypatch.setattr(Later, "__bool__", lambda _: True)
    with FakeTensorMode():
        yield


CASES = [
    (model, {group: name})
    for model, groups in (("rnn", CHOICES), ("transformer", TRANSFORMER_CHOICES))
    for group in groups
    for name in names(group)
    if (model, group, name) != ("transformer", "attention", "none")
]


@pytest.mark.parametrize(("model", "choice"), CASES, ids=str)
def test_no_choice_waits(model, choice, tmp_path):
    two_updates(tmp_path, MODELS[model], **choice)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_no_loss_waits(make_model, loss, tmp_path):
    two_updates(tmp_path, make_model, loss)


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_muon_does_not_wait(make_model, tmp_path):
    two_updates(tmp_path, make_model, make_optimizer=muon)


def test_no_loop_waits(tmp_path):
    fed_back = {"order.input_feed": True}
    two_updates(tmp_path, lambda **model: small_rnn(fed_back, hops=2, **model))


def test_what_waits_is_found(tmp_path):
    def loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        found = batch_loss(model, batch, smoothing)
        assert found.objective > 0
        return found

    def masked(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        kept = batch.target[batch.target != 0]
        return batch_loss(model, batch._replace(target=kept), smoothing)

    with pytest.raises(DataDependentOutputException):
        two_updates(tmp_path, small_rnn, loss)
    with pytest.raises(DynamicOutputShapeException):
        two_updates(tmp_path, small_rnn, masked)
