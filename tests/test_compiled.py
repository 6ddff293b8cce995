"""torch.compile where it is asked for; tests/test_gpu.py holds what it makes to the plain parts."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command import mistake, nmt
from small_model import small_rnn, small_transformer
from test_graphs import a_batch, gradient

from nmt.attention import attention, dropout
from nmt.bench.training import TimedTrainer
from nmt.errors import UserError
from nmt.training import compiled
from nmt.training.compiled import check_compiler, compile_layers, compiled_loss
from nmt.training.loss import batch_loss

# A compiler takes as long for each layer; that every layer is compiled is counted below.
few_layers = partial(small_transformer, encoder_layers=1, decoder_layers=1)

pytestmark = [  # torch's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]


@pytest.fixture
def traced(monkeypatch):
    """What is compiled is traced whole, as for a GPU, and then done as it stands."""
    torch._dynamo.reset()
    whole = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(compiled.torch, "compile", whole)
    for module in (dropout, attention):
        monkeypatch.setattr(module, "dropout", torch.nn.functional.dropout)
    monkeypatch.setattr(attention, "fuses", lambda num_keys, dtype: True)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "choice", [{}, {"positions": "rope", "feed_forward": "swiglu", "norm": "rms"}], ids=str
)
def test_layers_and_loss_are_compiled_whole(choice):
    torch.manual_seed(1)
    plain = few_layers(dropout=0.0, **choice).train()
    torch.manual_seed(1)
    layers = few_layers(dropout=0.0, **choice).train()
    compile_layers(layers)
    loss = compiled_loss()
    for sizes in ((5, 7, 6), (4, 9, 3)):
        batch = a_batch(*sizes)._replace(guide=None)
        found, expected = loss(layers, batch, 0.1), batch_loss(plain, batch, 0.1)
        torch.testing.assert_close(found.objective, expected.objective)
        gradients = gradient(layers, found), gradient(plain, expected)
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("training", [True, False])
def test_a_deep_copy_computes_with_its_own_weights(training):
    model = few_layers(dropout=0.0)
    compile_layers(model)
    batch = a_batch()
    before = model.train(training)(batch.source, batch.target)
    copies = deepcopy(model), few_layers(dropout=0.0)
    with torch.no_grad():
        for parameter in copies[0].parameters():
            parameter.mul_(2)
    copies[1].load_state_dict(copies[0].state_dict())
    found, expected = (one.train(training)(batch.source, batch.target) for one in copies)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(model(batch.source, batch.target), before)


@pytest.mark.usefixtures("traced")
def test_what_evaluates_and_an_rnn_stay_as_they_are(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(compiled.torch, "compile", lambda *_, **__: fail)
    model = few_layers()
    compile_layers(model)
    batch = a_batch()
    model.eval()(batch.source, batch.target)
    with pytest.raises(AssertionError, match="compiled"):
        model.train()(batch.source, batch.target)
    rnn = small_rnn()
    compile_layers(rnn)
    rnn.train()(batch.source, batch.target)


def test_what_is_counted_is_not_compiled(monkeypatch):
    ran: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        def run(*args: torch.Tensor) -> Any:
            ran.append(1)
            return graph.forward(*args)

        return run

    torch._dynamo.reset()
    monkeypatch.setattr(compiled.torch, "compile", partial(torch.compile, backend=backend))
    monkeypatch.setattr(attention, "fuses", lambda num_keys, dtype: True)
    model = small_transformer(dropout=0.0).train()
    compile_layers(model)
    passes = SimpleNamespace(through=None, passes=None)
    timed = SimpleNamespace(gradients=passes, config=SimpleNamespace(compile=True))
    batch = a_batch()
    model(batch.source, batch.target)
    assert len(ran) == 5, "one for each layer"
    with TimedTrainer.asked_for_singly(timed):  # type: ignore[arg-type]
        model(batch.source, batch.target)
    assert len(ran) == 5
    model(batch.source, batch.target)
    assert len(ran) == 10


def test_without_a_compiler_it_is_refused(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(compiled.shutil, "which", lambda _: None)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(UserError, match=r"train\.compile=true needs a C compiler \(cc, gcc, clang"):
        check_compiler(gpu)
    monkeypatch.setattr(compiled.shutil, "which", lambda name: name)
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="needs the package triton"):
        check_compiler(gpu)
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: name)
    check_compiler(gpu)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["device=cpu"], "train.compile=true needs a GPU"),
        (
            ["device=cpu", "guide=gold"],
            "the attention weights for guide=… cannot be compiled",
        ),
    ],
)
def test_where_it_is_refused(tiny, words, told):
    answer = nmt("train", *tiny, "train.compile=true", *words)
    assert told in mistake(answer)
