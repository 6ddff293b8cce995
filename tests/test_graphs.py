"""Passes and steps that are recorded for their shapes; tests/test_gpu.py has the graphs themselves.

Here a recorded pass is the pass itself over memory of its own, as a graph's is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from choices import in_turns
from numberless import CASES, LOSSES, adamw, trainer_by_hand
from numberless import MODELS as ONE_LAYER
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn, small_transformer
from torch import Tensor, nn

from nmt.attention.monotonic import Monotonic
from nmt.attention.reinforce import Reinforce
from nmt.batches.batch import Batch
from nmt.batches.updates import Work
from nmt.config.schema import Train
from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.decoding import graphs as of_steps
from nmt.decoding.decode import Decode
from nmt.decoding.graphs import CudaGraph as StepGraph
from nmt.decoding.graphs import cloned, copy, shapes
from nmt.decoding.search import Beam, Take, Turn, living
from nmt.decoding.translate import search
from nmt.hardware.nested import each, tensors
from nmt.models.seq2seq import Seq2Seq
from nmt.training import graphs
from nmt.training.graphs import PIECES, SENTENCES, Passes, PassRecorder
from nmt.training.loss import BatchLoss, Loss, batch_loss
from nmt.training.rewarded import with_rewards
from nmt.training.trainer import Trainer

MODELS = {**ONE_LAYER, "rnn": small_rnn}
B, S, T = 5, 7, 6


def a_batch(sentences: int = B, source: int = S, target: int = T) -> Batch:
    """Sentences of unequal lengths, and where each piece but eos should look."""
    ids = torch.randint(4, SOURCE_VOCABULARY, (sentences, source))
    said = torch.randint(4, TARGET_VOCABULARY, (sentences, target + 1))
    said[:, 0] = BOS
    ids[1, 3:] = said[2, 4:] = PAD
    ids[1, 2] = EOS
    linked = (ids != PAD)[:, None] * (said[:, 1:] != PAD)[..., None]
    linked[:, -1] = False
    return Batch(ids, said, torch.rand(linked.shape).double() * linked)


def gradient(model: Seq2Seq, loss: Loss) -> tuple[Tensor, ...]:
    """That of what training goes down on, for each parameter."""
    return torch.autograd.grad(loss.objective, list(model.parameters()))


def padding_adds_nothing(model: Seq2Seq, loss: BatchLoss, batch: Batch) -> None:
    found = []
    for one in (batch, batch.padded(SENTENCES, PIECES)):
        torch.manual_seed(5)  # of a gate that draws
        found.append(loss(model, one, 0.1))
    plain, padded = found
    for one, other in zip(padded[:-1], plain[:-1], strict=True):  # all but that of each piece
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(gradient(model, padded), gradient(model, plain))


def test_a_padded_batch_has_round_shapes_and_the_same_pieces():
    batch = a_batch()
    padded = batch.padded(8, 4)
    assert padded.source.shape == (8, 8)
    assert padded.target.shape == (8, 9)
    assert padded.guide is not None
    assert padded.guide.shape == (8, 8, 8)
    torch.testing.assert_close(padded.source[:B, :S], batch.source)
    torch.testing.assert_close(padded.target[:B, : T + 1], batch.target)
    assert padded.num_pieces == batch.num_pieces
    assert (padded.source[B:, 0] != PAD).all(), "attention wants something to look at"
    assert len(padded.predicted) == 8 * 8
    again = padded.padded(8, 4)
    assert again.source.equal(padded.source)
    assert again.target.equal(padded.target)


@pytest.mark.parametrize(("model", "choice"), CASES, ids=str)
def test_padding_adds_nothing_for_any_choice(model, choice):
    made = MODELS[model](dropout=0.0, **choice).double()
    for part in made.modules():  # what is drawn for each pair depends on the shape
        if isinstance(part, Monotonic):
            part.noise = 0.0
        if isinstance(part, Reinforce):
            part.soft = 1.0
    padding_adds_nothing(made, with_rewards(batch_loss, made), a_batch())


@pytest.mark.parametrize("loss", [one for name, one in LOSSES.items() if name != "simcut"])
@pytest.mark.parametrize("model", MODELS)
def test_padding_adds_nothing_to_any_loss(model, loss):
    made = MODELS[model](dropout=0.0).double()
    padding_adds_nothing(made, loss, a_batch())


class Replayed:
    """The passes over memory of its own, into which each batch is copied."""

    def __init__(self, passes: Passes, batch: Batch, divisor: Tensor) -> None:
        self.passes = passes
        self.batch = each(batch, Tensor.clone)

    def __call__(self, batch: Batch, divisor: Tensor) -> Loss:
        for mine, given in zip(self.batch[:2], batch[:2], strict=True):
            mine.copy_(given)
        return self.passes(self.batch, divisor)


def test_a_shape_is_recorded_when_it_comes_again(monkeypatch):
    monkeypatch.setattr(graphs, "MOST", 2)
    passed: list[torch.Size] = []
    recorded: list[torch.Size] = []

    def passes(batch: Batch, divisor: Tensor) -> Loss:
        passed.append(batch.source.shape)
        return Loss(divisor, divisor, divisor)

    def record(passes: Passes, batch: Batch, divisor: Tensor) -> Passes:
        recorded.append(batch.source.shape)
        return lambda batch, divisor: Loss(-divisor, divisor, divisor)

    recorder = PassRecorder(passes, record)
    one = torch.ones(())
    given = [(5, 7), (9, 7), (6, 8), (9, 7), (3, 4), (8, 5), (4, 3), (5, 7)]
    signs = [int(recorder(a_batch(*size)._replace(guide=None), one).objective) for size in given]
    #        8,8 16,8 8,8 16,8 8,4 8,8 8,4 8,8: there is room for two
    assert signs == [1, 1, -1, -1, 1, -1, 1, -1]
    assert recorded == [(8, 8), (16, 8)]
    assert passed == [(8, 8), (16, 8), (8, 4), (8, 4)]


def a_trainer(folder: Path, model: Seq2Seq) -> Trainer:
    return trainer_by_hand(folder, model, adamw(model, fused=False))


@pytest.mark.parametrize("make", [small_rnn, small_transformer])
def test_recorded_updates_are_the_plain_ones(make, tmp_path):
    """Over several batches an update, with gradients that stay where they are."""
    trained: list[list[Tensor]] = []
    for recorded in (False, True):
        torch.manual_seed(1)
        trainer = a_trainer(tmp_path, make(dropout=0.0).double())
        gradients = trainer.gradients
        assert gradients.recorder is None, "there is no GPU"
        if recorded:
            gradients.through = gradients.recorder = PassRecorder(gradients.passes, Replayed)
            gradients.records = lambda: True  # type: ignore[method-assign]
        torch.manual_seed(2)
        places: set[int] = set()
        for step in range(4):
            batches = [a_batch(3 + step), a_batch(), a_batch(9, 4)]
            trainer.train_step(Work([one._replace(guide=None) for one in batches], 0, 1, {}))
            places |= {id(p.grad) for p in trainer.model.parameters() if p.grad is not None}
        trainer.settle()
        trained.append([p.detach().clone() for p in trainer.model.parameters()])
        if gradients.recorder:
            assert len(gradients.recorder.recorded) == 2
            assert len(places) == len(trained[-1])
    for one, other in zip(*trained, strict=True):
        torch.testing.assert_close(one, other)


def test_who_records(tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.training.gradients.cuda_graphs", lambda: Replayed)
    gradients = a_trainer(tmp_path, small_transformer()).gradients
    gradients.device = torch.device("cuda")
    assert gradients.records()
    for key, value in (
        ("config", Train(max_steps=9, cuda_graphs=False)),
        ("device", torch.device("cpu")),
        ("ranks", SimpleNamespace(size=2)),
        ("model", small_transformer(padding_mask=False)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(gradients, key, value)
            assert not gradients.records(), key


class Tape:
    """In the place of a graph and of the memory of graphs: it does again what was called."""

    def __init__(self, take: Take) -> None:
        self.take = take

    @contextmanager
    def recording(self) -> Iterator["Tape"]:
        yield self

    def __call__(self, now: Beam, memory: Any) -> Turn:
        """Take a step, and remember what was given and what came of it."""
        self.given = now, memory
        self.found = self.take(now, memory)
        return self.found

    def replay(self) -> None:
        found = self.take(*self.given)
        copy((found.next, found.told), (self.found.next, self.found.told))
        if shapes(found.next) == shapes(self.given[0]):
            copy(found.next, self.given[0])


def replayed(take: Take, now: Beam, memory: Any) -> StepGraph:
    """A step over memory of its own."""
    tape = Tape(take)
    return StepGraph(tape, now, memory, tape)  # type: ignore[arg-type]


STEP_MODELS = {
    "rnn": small_rnn,
    "rnn, fed back": lambda: small_rnn({"order.input_feed": True}),
    "rnn that looks at itself": lambda: small_rnn(decoder_self_attention=True),
    "transformer": small_transformer,
    "transformer, rope": lambda: small_transformer(positions="rope"),
    "transformer that reads padding": lambda: small_transformer(padding_mask=False),
}


@pytest.mark.parametrize(("name", "beam"), in_turns(STEP_MODELS, [4, 1]))
def test_a_search_by_recorded_steps_finds_the_same(name, beam, monkeypatch):
    torch.manual_seed(1)
    model = STEP_MODELS[name]().double().eval()
    assert isinstance(model, nn.Module)
    sources = [[*torch.randint(4, SOURCE_VOCABULARY, (n,)).tolist(), EOS] for n in range(1, 20)]
    decode = Decode(beam=beam, n_best=min(beam, 2))
    with torch.inference_mode():
        plain = search(model, sources, decode, "cpu")
        for module in ("search", "begin"):
            monkeypatch.setattr(f"nmt.decoding.{module}.wants_shapes_again", lambda _: True)
        recorder = of_steps.StepRecorder(replayed)
        for _ in range(3):
            found = search(model, sources, decode, "cpu", recorder)
            assert [[one.ids for one in best] for best in found] == [
                [one.ids for one in best] for best in plain
            ]
            for best, expected in zip(found, plain, strict=True):
                for one, other in zip(best, expected, strict=True):
                    assert one.score == pytest.approx(other.score)
    assert bool(recorder.recorded) != (name == "rnn that looks at itself")


def test_steered_steps_grow_and_are_not_recorded(monkeypatch):
    model = small_rnn().double().eval()
    sources, decode = [[5, 6, EOS], [7, EOS]], Decode(beam=2, no_repeat_ngram=2, max_ratio=1.0)
    recorder = of_steps.StepRecorder(replayed)
    with torch.inference_mode():
        plain = search(model, sources, decode, "cpu")
        for module in ("search", "begin"):
            monkeypatch.setattr(f"nmt.decoding.{module}.wants_shapes_again", lambda _: True)
        assert [search(model, sources, decode, "cpu", recorder) for _ in range(2)] == [plain] * 2
    assert not recorder.recorded


def test_autocast_keeps_no_weight_that_a_recorded_step_would_read():
    """So steps that were recorded in one block can be used in the next."""
    layer, x = nn.Linear(3, 5, bias=False), torch.randn(2, 3)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        before = layer(x)
        layer.weight.mul_(2)
        assert torch.equal(layer(x), 2 * before)


def test_as_many_graphs_are_kept_as_there_is_room_for(monkeypatch):
    monkeypatch.setattr(of_steps, "COPIES", 500)
    recorded: list[int] = []

    def record(take: Take, now: Beam, memory: Any) -> Take:
        recorded.append(len(memory))
        return take

    def take(now: Beam, memory: Any) -> Turn:
        return Turn(now, memory)

    now = Beam(*[torch.zeros(1, 1)] * 8)  # 32 bytes
    recorder = of_steps.StepRecorder(record)
    for size in (10, 10, 20, 20, 50, 50, 10, 90, 90, 20, 10, 50, 500, 500, 10):
        recorder(take, "how")(now, torch.zeros(size))
    # 72, 112 and 232 bytes fit, and so do 392 with 72, but not with 112; 2,032 are alone.
    assert recorded == [10, 20, 50, 90, 20, 10, 50, 500, 10]


def test_tensors_in_tuples_are_found_and_copied():
    state = small_transformer().start(small_transformer().encode(torch.full((2, 3), EOS)), room=4)
    copy = cloned(state)
    assert type(copy) is type(state)
    assert len(tensors(copy)) == 7
    for one, other in zip(tensors(copy), tensors(state), strict=True):
        assert one is not other
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ([], list(range(8))),
        ([1, 2, 5], list(range(8))),  # in another order
        ([0, 1, 2, 5], [3, 4, 6, 7]),
        ([0, 1, 2, 3, 5], [4, 6, 7, 0]),
        ([0, 1, 2, 3, 5, 6], [4, 7]),
        ([0, 1, 2, 3, 5, 6, 7], [4, 0]),
        (list(range(8)), []),
    ],
)
def test_rows_go_by_halves_on_a_gpu(done, left, monkeypatch):
    monkeypatch.setattr("nmt.decoding.search.FEW", 2)
    flags = torch.zeros(8, dtype=torch.bool)
    flags[done] = True
    assert living(flags, torch.device("cuda")).tolist() == sorted(left)
    assert living(flags, torch.device("cpu")).tolist() == sorted(set(range(8)) - set(done))
