"""Two updates of the trainer on tensors that have shapes and no numbers, for every choice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from choices import names
from rich.console import Console
from small_model import CHOICES, TRANSFORMER_CHOICES, small_rnn, small_transformer
from torch import nn
from torch.optim import Optimizer

from nmt.batches.batch import Batch
from nmt.config.schema import Train
from nmt.models.seq2seq import Seq2Seq
from nmt.terminal.progress import Progress
from nmt.training.consistency import RDrop, SimCut
from nmt.training.guided import Guided
from nmt.training.loss import BatchLoss, batch_loss
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


def adamw(model: nn.Module, fused: bool) -> Optimizer:
    return torch.optim.AdamW(model.parameters(), fused=fused)


def muon(model: nn.Module, fused: bool) -> Optimizer:
    return Muon(model.named_parameters(), 1e-3, 0.9, 0.0, (0.9, 0.98), 1e-9, fused=fused)


def trainer_by_hand(
    folder: Path,
    model: Seq2Seq,
    optimizer: Optimizer,
    loss: BatchLoss = batch_loss,
    device: str = "cpu",
    precision: torch.dtype = torch.float32,
) -> Trainer:
    """A trainer that is given its updates, and neither evaluates nor logs."""
    return Trainer(
        model=model,
        optimizer=optimizer,
        schedule=Constant(warmup=1),
        loss=loss,
        loader=NoData(),  # type: ignore[arg-type]
        evaluate=lambda _: {},
        logger=None,  # type: ignore[arg-type]
        progress=Progress(Console(quiet=True)),
        config=Train(max_steps=99, ema=0.9),
        device=torch.device(device),
        precision=precision,
        run=folder,
    )


def two_updates(
    folder: Path,
    make_model: Callable[..., Seq2Seq],
    loss: BatchLoss = batch_loss,
    make_optimizer: Callable[[nn.Module, bool], Optimizer] = adamw,
    device: str = "cpu",
    precision: torch.dtype = torch.bfloat16,
    **model: Any,
) -> None:
    """Train on nothing, with all that an update can have."""
    with torch.device(device):
        new = make_model(dropout=0.1, word_dropout=0.1, **model)
    batch = Batch(
        torch.empty(B, S, dtype=torch.long),
        torch.empty(B, T + 1, dtype=torch.long),
        torch.empty(B, T, S),
        counted=B * T - 2,
    )
    optimizer = make_optimizer(new, device == "cpu")
    trainer = trainer_by_hand(folder, new, optimizer, loss, device, precision)
    for _ in range(2):
        trainer.train_step(Work([batch, batch], 0, 2, {}))
    assert trainer.tally.updates == 1


CASES = [
    (model, {group: name})
    for model, groups in (("rnn", CHOICES), ("transformer", TRANSFORMER_CHOICES))
    for group in groups
    for name in names(group)
    if (model, group, name) != ("transformer", "attention", "none")
]
