"""Between two lines of metrics nothing in an update waits for the device.

Here tensors have shapes and no numbers (torch's FakeTensorMode), so that whatever would have the
host know one, as `item()`, `if tensor:` and `x[mask]` do, is an error.
"""

import pytest
import torch
from choices import in_turns
from numberless import CASES, LOSSES, MODELS, muon, updates
from small_model import TARGET_VOCABULARY, small_rnn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from nmt.batches.batch import Batch
from nmt.decoding.candidates import MostProbable
from nmt.decoding.length import Wu
from nmt.decoding.search import Beam, Search, turn
from nmt.models.seq2seq import Seq2Seq
from nmt.training.later import Later
from nmt.training.loss import Loss, batch_loss


@pytest.fixture(autouse=True)
def no_numbers(monkeypatch):
    """The one answer that is asked for, when the next update is on its way, is yes."""
    monkeypatch.setattr(Later, "__bool__", lambda _: True)
    monkeypatch.setattr("nmt.attention.additive.by_exponentials", lambda _: False)  # as on a GPU
    with FakeTensorMode():
        yield


@pytest.mark.parametrize(("model", "choice"), CASES, ids=str)
def test_no_choice_waits(model, choice, tmp_path):
    updates(tmp_path, MODELS[model], number=1, **choice)


@pytest.mark.parametrize(("loss", "model"), in_turns(LOSSES, MODELS))
def test_no_loss_waits(model, loss, tmp_path):
    updates(tmp_path, MODELS[model], LOSSES[loss], number=1)


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_muon_does_not_wait(make_model, tmp_path):
    updates(tmp_path, make_model, make_optimizer=muon)


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_copying_does_not_wait(make_model, tmp_path):
    updates(tmp_path, make_model, copy=True, source_vocabulary=TARGET_VOCABULARY)


def test_no_loop_waits(tmp_path):
    fed_back = {"order.input_feed": True}
    updates(tmp_path, lambda **model: small_rnn(fed_back, hops=2, **model))


@pytest.mark.parametrize(("model", "choice"), CASES, ids=str)
def test_no_step_of_a_search_waits(model, choice):
    made = MODELS[model](**choice).eval()
    memory = made.encode(torch.empty(3, 7, dtype=torch.long))
    ids = torch.empty(3, 1, dtype=torch.long)
    one = torch.empty(3, dtype=torch.long)
    state = made.start(memory, room=4)
    now = Beam(ids, ids.float(), state, one, one, one.bool(), one, ids.float())
    how = Search(4, Wu(1.0), 3, MostProbable(8, pad=0, bos=2, eos=3))
    found = turn(made.step, how, now, memory)
    assert found.next.tokens.shape == (3, 4)
    assert found.told.shape == (3, 21)


def test_what_waits_is_found(tmp_path):
    def loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        found = batch_loss(model, batch, smoothing)
        assert found.objective > 0
        return found

    def masked(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        kept = batch.target[batch.target != 0]
        return batch_loss(model, batch._replace(target=kept), smoothing)

    with pytest.raises(DataDependentOutputException):
        updates(tmp_path, small_rnn, loss)
    with pytest.raises(DynamicOutputShapeException):
        updates(tmp_path, small_rnn, masked)
