"""The moving average of the weights: its formula, its place, and a run that has one."""

import pytest
import torch
from command import files, mistake, nmt
from safetensors.torch import load_file
from small_model import small_rnn, small_transformer
from torch import Tensor, nn

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.run import open_run
from nmt.training.ema import EMA

MODELS = {"rnn": small_rnn, "transformer": small_transformer}


def move(model: nn.Module) -> None:
    """Stands for an update."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("tied", [False, True])
def test_it_is_the_formula(make, tied):
    torch.manual_seed(1)
    model = make(tie_output=tied, **({"readout_width": None} if make is small_rnn else {}))
    ema = EMA(model, decay=0.5)
    expected = copies(model)
    assert same(ema.average, expected)
    for step in range(1, 13):
        move(model)
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))  # 0.5 from step 8 on
        expected = {
            name: decay * expected[name] + (1 - decay) * weight
            for name, weight in copies(model).items()
        }
    for name, tensor in expected.items():
        torch.testing.assert_close(ema.average[name], tensor)
        assert not ema.average[name].requires_grad


def test_the_weights_come_back_as_they_were():
    model = small_rnn()
    ema = EMA(model, decay=0.9)
    average = copies(model)
    move(model)
    trained = copies(model)
    with ema.in_place():
        assert same(copies(model), average)
    assert same(copies(model), trained)
    with pytest.raises(KeyboardInterrupt), ema.in_place():
        raise KeyboardInterrupt
    assert same(copies(model), trained)
    assert same(ema.average, average)


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_a_decay_that_averages_nothing_is_refused(decay):
    with pytest.raises(UserError, match=rf"train\.ema={decay}"):
        Train(ema=decay)


def test_it_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "train.ema=1" in mistake(nmt("train", "train.ema=1"))
    assert files(tmp_path) == []


def test_a_run_is_scored_with_its_average(tiny, tmp_path):
    run = tmp_path / "run"
    words = [*tiny, "train.ema=0.9", "train.keep_best=1"]
    answer = nmt("train", *words, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err

    (*_, last) = sorted((run / "checkpoints").iterdir())
    average, trained = (load_file(last / f"{name}.safetensors") for name in ("ema", "model"))
    assert average.keys() == trained.keys()
    assert not same(average, trained)
    averages = [load_file(path) for path in (run / "checkpoints").glob("*/ema.safetensors")]
    final = load_file(run / "model.safetensors")
    assert any(same(final, one) for one in averages)

    (run / "model.safetensors").unlink()  # as if it were training still
    opened = copies(open_run(run, "cpu", "fp32").model)
    assert same(opened, final)
