"""What a GPU does otherwise, held to its plain twin. Without a GPU all of it is skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from numberless import trainer_by_hand
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn, small_transformer
from test_graphs import gradient
from torch import Tensor

from nmt.attention.additive import additive, side
from nmt.batches.batch import Batch
from nmt.batches.updates import Work
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.decode import Decode
from nmt.decoding.graphs import StepRecorder
from nmt.decoding.graphs import cuda_graphs as step_graphs
from nmt.decoding.translate import search
from nmt.hardware.runtime import autocast, kernels
from nmt.models.recurrent import fused_gru_cell, fused_lstm_cell, gru_cell, lstm_cell
from nmt.models.seq2seq import Seq2Seq
from nmt.training.compiled import compile_layers, compiled_loss
from nmt.training.consistency import RDrop, SimCut
from nmt.training.graphs import CudaGraph, PassRecorder
from nmt.training.loss import BatchLoss, batch_loss
from nmt.training.muon import Muon
from nmt.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

GPU = torch.device("cuda")
ROPE = {"positions": "rope", "feed_forward": "swiglu", "norm": "rms"}
MODELS: dict[str, Callable[..., Seq2Seq]] = {
    "rnn": small_rnn,
    "rnn, fed back": lambda **model: small_rnn({"order.input_feed": True}, **model),
    "rnn, bahdanau": lambda **model: small_rnn(
        order="bahdanau", attention="bahdanau", cell="gru", **model
    ),
    "transformer": small_transformer,
    "transformer, rope": lambda **model: small_transformer(**ROPE, **model),
}
LOSSES = {
    "alone": batch_loss,
    "rdrop": RDrop(weight=5.0),
    "simcut": SimCut(weight=3.0, cutoff=0.1),
}


@pytest.fixture(autouse=True)
def ready() -> Iterator[None]:
    with kernels(GPU):
        yield


def batches(num: int) -> Iterator[Batch]:
    """Batches of two shapes in turn, with padding in both."""
    torch.manual_seed(3)
    for number in range(num):
        size = 3 + number % 2 * 8
        source = torch.randint(4, SOURCE_VOCABULARY, (size, 5 + number % 2 * 4))
        target = torch.randint(4, TARGET_VOCABULARY, (size, 7))
        source[0, 2:] = target[1, 4:] = 0
        target[:, 0] = BOS
        yield Batch(source, target).pinned()


def trainer(
    folder: Path, make: Callable[..., Seq2Seq], loss: BatchLoss = batch_loss, muon: bool = False
) -> Trainer:
    """A trainer on the GPU, of the same weights each time."""
    torch.manual_seed(1)
    model = make(dropout=0.2, word_dropout=0.1, attention_dropout=0.1).to(GPU)
    optimizer = (
        Muon(model.named_parameters(), 1e-2, 0.9, 0.0, (0.9, 0.98), 1e-9, fused=True)
        if muon
        else torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    )
    return trainer_by_hand(folder, model.train(), optimizer, loss, GPU.type, torch.bfloat16)


def trained(trainer: Trainer) -> list[Tensor]:
    """The weights after six updates of two batches each."""
    torch.manual_seed(5)
    found = list(batches(12))
    torch.manual_seed(6)
    for pair in zip(found[::2], found[1::2], strict=True):
        trainer.train_step(Work(list(pair), 0, 1, {}))
    trainer.settle()
    assert trainer.tally.updates == 6
    return [p.detach().clone() for p in trainer.model.parameters()]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("name", MODELS)
def test_recorded_updates_are_those_that_were_recorded(name, loss, tmp_path):
    recorded, plain = (trainer(tmp_path, MODELS[name], loss) for _ in range(2))
    assert recorded.gradients.recorder
    passes = plain.gradients.passes
    plain.gradients.through = PassRecorder(passes, lambda passes, *_: passes)
    for found, expected in zip(trained(recorded), trained(plain), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    graphs = recorded.gradients.recorder.recorded.values()
    assert len(graphs) == 2
    assert all(isinstance(graph, CudaGraph) for graph in graphs)


@pytest.mark.parametrize("name", MODELS)
def test_muon_trains_with_recorded_passes(name, tmp_path):
    recorded, plain = (trainer(tmp_path, MODELS[name], muon=True) for _ in range(2))
    passes = plain.gradients.passes
    plain.gradients.through = PassRecorder(passes, lambda passes, *_: passes)
    for found, expected in zip(trained(recorded), trained(plain), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("name", MODELS)
def test_recorded_steps_find_the_same_translations(name):
    torch.manual_seed(1)
    model = MODELS[name]().to(GPU).eval()
    sources = [[*torch.randint(4, SOURCE_VOCABULARY, (n,)).tolist(), EOS] for n in range(3, 20)]
    decode = Decode(beam=4, n_best=2)
    with torch.inference_mode(), autocast(GPU, torch.bfloat16):
        plain = search(model, sources, decode, GPU)
    recorder = StepRecorder(step_graphs())
    for _ in range(3):  # in a block each, as chunks of a stream are
        with torch.inference_mode(), autocast(GPU, torch.bfloat16):
            assert search(model, sources, decode, GPU, recorder) == plain
    assert recorder.recorded


@pytest.mark.parametrize(
    ("fused", "plain", "gates"), [(fused_lstm_cell, lstm_cell, 4), (fused_gru_cell, gru_cell, 3)]
)
def test_a_cell_in_one_kernel_is_the_cell(fused, plain, gates):
    torch.manual_seed(1)
    given = [torch.randn(5, gates * 7, device=GPU), torch.randn(5, gates * 7, device=GPU)]
    given = [x.requires_grad_() for x in (*given, torch.randn(5, 7, device=GPU))]
    with autocast(GPU, torch.bfloat16):
        found, expected = (cell(*given) for cell in (fused, plain))
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        *(
            torch.autograd.grad(torch.cat(list(x), -1).square().sum(), given)
            for x in (found, expected)
        ),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_the_additive_score_is_that_of_a_cpu():
    torch.manual_seed(1)
    given = [torch.randn(*shape) for shape in ((5, 7, 11), (5, 9, 11), (11,))]
    found: list[list[Tensor]] = []
    for device in ("cpu", "cuda"):
        query, keys, v = (x.to(device).requires_grad_() for x in given)
        scores = additive(side(query + 40), side(keys - 40), v)
        gradients = torch.autograd.grad(scores.square().sum(), (query, keys, v))
        found.append([x.cpu() for x in (scores, *gradients)])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.parametrize("model", ["transformer", "transformer, rope"])
def test_compiled_layers_and_loss_are_the_plain_ones(model, tmp_path):
    torch.manual_seed(1)
    plain = MODELS[model](dropout=0.0).to(GPU).train()
    torch.manual_seed(1)
    compiled = MODELS[model](dropout=0.0).to(GPU).train()
    compile_layers(compiled)
    loss = compiled_loss()
    for batch in batches(4):
        there = batch.to(GPU)
        expected = batch_loss(plain, there, 0.1)
        found = loss(compiled, there, 0.1)
        torch.testing.assert_close(found.objective, expected.objective)
        torch.testing.assert_close(found.likelihood, expected.likelihood)
        gradients = gradient(compiled, found), gradient(plain, expected)
        torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)
