"""Updates of the trainer on tensors that have shapes and no numbers, for every choice."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from choices import names
from rich.console import Console
from small_model import CHOICES, TRANSFORMER_CHOICES, small_rnn, small_transformer
from torch import nn
from torch.optim import Optimizer

from nmt.batches.batch import Batch
from nmt.batches.updates import Work
from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.terminal.progress import Progress
from nmt.training.consistency import RDrop, SimCut
from nmt.training.gradients import Gradients
from nmt.training.guided import Guided
from nmt.training.loss import BatchLoss, batch_loss
from nmt.training.muon import Muon
from nmt.training.schedule import Constant
from nmt.training.trainer import Trainer

# Of two layers is the model in which what was found is fed back.
MODELS = {
    "rnn": partial(small_rnn, encoder_layers=1, decoder_layers=1),
    "transformer": partial(small_transformer, encoder_layers=1, decoder_layers=1),
}
LOSSES = {
    "alone": batch_loss,
    "rdrop": RDrop(weight=5.0),
    "simcut": SimCut(weight=3.0, cutoff=0.1),
    "guided": Guided(batch_loss, weight=1.0, layer=None, head=None, shift=True),
}
B, S, T = 3, 7, 2


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
    config = Train(max_steps=99, ema=0.9)
    return Trainer(
        gradients=Gradients(model, loss, config, torch.device(device), precision),
        optimizer=optimizer,
        schedule=Constant(warmup=1),
        loader=NoData(),  # type: ignore[arg-type]
        evaluate=lambda _: {},
        logger=None,  # type: ignore[arg-type]
        progress=Progress(Console(quiet=True)),
        config=config,
        run=folder,
    )


def updates(
    folder: Path,
    make_model: Callable[..., Seq2Seq],
    loss: BatchLoss = batch_loss,
    make_optimizer: Callable[[nn.Module, bool], Optimizer] = adamw,
    device: str = "cpu",
    precision: torch.dtype = torch.bfloat16,
    number: int = 2,
    **model: Any,
) -> None:
    """Train on nothing, with all that an update can have: as many batches as there are updates.

    With one, an update is not asked whether it was done, which is the same for every choice.
    """
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
    for _ in range(number):
        trainer.train_step(Work([batch] * number, 0, number, {}))
    assert trainer.tally.updates == number - 1


def together(make_model: Callable[..., Seq2Seq], groups: Iterable[str]) -> list[dict[str, str]]:
    """Few models in which every choice of every group is somewhere, beside others that go with it.

    A choice that no model takes, not even alone, is in none.
    """
    left = {group: names(group) for group in groups}
    found: list[dict[str, str]] = [{}]
    while True:
        case: dict[str, str] = {}
        for group, choices in left.items():
            fitting = (one for one in choices if built(make_model, case, group, one))
            if one := next(fitting, None):
                case[group] = one
        if not case:
            return found
        found.append(case)
        left = {group: [n for n in all_ if n != case.get(group)] for group, all_ in left.items()}


def built(make: Callable[..., Seq2Seq], case: dict[str, str], group: str, name: str) -> bool:
    """Whether a choice goes with others."""
    try:
        make(**case, **{group: name})
    except UserError:
        return False
    return True


CASES = [
    (model, case)
    for model, groups in (("rnn", CHOICES), ("transformer", TRANSFORMER_CHOICES))
    for case in together(MODELS[model], groups)
]
