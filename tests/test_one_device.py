"""Whatever an update makes is made where the model is, in numbers that this device has.

Here that is torch's meta device, whose tensors have shapes and no numbers: a product or a sum of
one of them and one that was left on the CPU is an error, as it is on a GPU. Apple's has no float64.
"""

from contextlib import nullcontext

import pytest
import torch
from choices import in_turns
from numberless import CASES, LOSSES, MODELS, muon, updates
from small_model import small_rnn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmt.batches.batch import Batch
from nmt.models.seq2seq import Seq2Seq
from nmt.training.later import Later
from nmt.training.loss import Loss, batch_loss

META = {"device": "meta", "precision": torch.float32}


@pytest.fixture(autouse=True)
def no_numbers(monkeypatch):
    """There is no answer to ask for, and autocast does not know this device."""
    monkeypatch.setattr(Later, "__init__", lambda *_: None)
    monkeypatch.setattr(Later, "__bool__", lambda _: True)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    for room in ("loss", "tally"):
        monkeypatch.setattr(f"nmt.training.{room}.widest", lambda _: torch.float32)
    with WithoutDoubles():
        yield


class WithoutDoubles(TorchDispatchMode):
    """Allow no float64 on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            is_double = isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64
            if is_double and tensor.is_meta:
                raise TypeError(f"{func} makes float64")
        return found


@pytest.mark.parametrize(("model", "choice"), CASES, ids=str)
def test_every_choice(model, choice, tmp_path):
    updates(tmp_path, MODELS[model], number=1, **META, **choice)


@pytest.mark.parametrize(("loss", "model"), in_turns(LOSSES, reversed(MODELS)))
def test_every_loss(model, loss, tmp_path):
    """With the model with which it is not in test_no_wait.py."""
    updates(tmp_path, MODELS[model], LOSSES[loss], number=1, **META)


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_muon(make_model, tmp_path):
    updates(tmp_path, make_model, make_optimizer=muon, **META)


def test_what_is_fed_back(tmp_path):
    fed_back = {"order.input_feed": True}
    updates(tmp_path, lambda **model: small_rnn(fed_back, hops=2, **model), **META)


def test_float64_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr("nmt.training.loss.widest", lambda _: torch.float64)
    with pytest.raises(TypeError, match="float64"):
        updates(tmp_path, small_rnn, **META)


def test_what_was_left_behind_is_found(tmp_path):
    def loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        found = batch_loss(model, batch, smoothing)
        return found._replace(objective=found.objective + torch.ones(1).expand(3).sum(0, True))

    with pytest.raises(RuntimeError, match="device"):
        updates(tmp_path, small_rnn, loss, **META)
