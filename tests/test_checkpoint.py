"""What is written comes back; what is not whole, or of another model, does not."""

import errno
import json
import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn
from torch import Tensor, nn

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.experiment.outcome import finish
from nmt.runs import checkpoint
from nmt.runs.checkpoint import (
    Checkpoint,
    Position,
    average,
    better_first,
    checkpoints,
    contents,
    prune,
    repaired,
    save,
)
from nmt.runs.files import damage

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adam-fused": partial(torch.optim.Adam, fused=True),
    "adamw-amsgrad": partial(torch.optim.AdamW, amsgrad=True),
    "sgd": torch.optim.SGD,
    "sgd-momentum": partial(torch.optim.SGD, momentum=0.9),
}


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Update with dropout, on batches that are drawn."""
    for _ in range(steps):
        source = torch.randint(4, SOURCE_VOCABULARY, (3, 7))
        target = torch.randint(4, TARGET_VOCABULARY, (3, 5))
        model(source, target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def parameters(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def dot(width: int, bleu: float = 0.0, loss: float = 0.0) -> tuple[nn.Module, Position]:
    """A model of one number, and what it got on dev."""
    torch.manual_seed(width)
    return nn.Linear(1, 1, bias=False), Position(width, dev={"bleu": bleu, "loss": loss})


def save_dots(run: Path, bleus: list[float]) -> list[nn.Module]:
    """Checkpoints 1, 2, ... with these scores; loss goes along with BLEU."""
    models = []
    for step, bleu in enumerate(bleus, 1):
        model, position = dot(step, bleu, loss=bleu)
        save(run, contents(model, torch.optim.SGD(model.parameters())), position)
        models.append(model)
    return models


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def steps(run: Path) -> list[int]:
    return [found.position.step for found in checkpoints(run)]


def test_a_checkpoint_has_its_name_once_it_is_on_the_disk(tmp_path, monkeypatch):
    """All of its files first; its name is there when the folder above is on the disk, too."""
    order: list[int] = []
    rename = os.rename

    def named(old: Path, new: Path) -> None:
        order.append(0)
        rename(old, new)

    monkeypatch.setattr(os, "fsync", lambda file: order.append(os.fstat(file).st_ino))
    monkeypatch.setattr(os, "rename", named)
    save_dots(tmp_path, [1.0])

    (place,) = (tmp_path / "checkpoints").iterdir()
    before, after = order[: order.index(0)], order[order.index(0) + 1 :]
    assert {file.stat().st_ino for file in place.iterdir()} <= set(before)
    assert after == [place.parent.stat().st_ino]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("tied", [False, True])
def test_training_goes_on_as_if_nothing_had_happened(make, tied, tmp_path):
    def new() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = small_rnn(tie_output=tied, readout_width=None)
        return model, make(model.parameters(), lr=0.01)

    model, optimizer = new()
    learn(model, optimizer, 3)
    save(tmp_path, contents(model, optimizer), Position(step=3))
    learn(model, optimizer, 3)
    drawn = torch.rand(3)

    torch.manual_seed(99)
    again, again_optimizer = new()
    checkpoints(tmp_path)[-1].restore(again, again_optimizer)
    learn(again, again_optimizer, 3)
    for one, other in zip(parameters(model), parameters(again), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.rand(3), drawn)
    if tied:
        assert again.output.weight is again.target_embedding.weight


def test_the_position_comes_back(tmp_path):
    position = Position(
        step=7,
        epoch=2,
        batch=5,
        seconds=0.1 + 0.2,
        tokens=1234,
        dev={"bleu": 1 / 3, "loss": 2.5},
        best=1 / 3,
        bad_evaluations=1,
        schedule={"now": 0.5, "best": float("inf"), "waited": 2},
    )
    model, _ = dot(1)
    save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), position)
    (found,) = checkpoints(tmp_path)
    assert found.position == position


def test_a_checkpoint_holds_tensors_and_json_alone(tmp_path):
    model = small_rnn()
    optimizer = torch.optim.Adam(model.parameters())
    learn(model, optimizer, 1)
    written = save(tmp_path, contents(model, optimizer), Position(step=500))
    assert written.folder == tmp_path / "checkpoints" / "step-0000500"
    assert sorted(path.name for path in written.folder.iterdir()) == [
        "SHA256SUMS",
        "model.safetensors",
        "optimizer.safetensors",
        "random.safetensors",
        "state.json",
    ]
    json.loads((written.folder / "state.json").read_text())


def test_a_checkpoint_that_is_not_whole_is_not_there(tmp_path, monkeypatch):
    """A process that ends in the middle leaves a folder of another name."""
    save_dots(tmp_path, [1.0])
    model, position = dot(2)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "random_states", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), position)
    partial_one = tmp_path / "checkpoints" / "step-0000002.partial"
    assert partial_one.is_dir()
    assert steps(tmp_path) == [1]

    model, position = dot(3)
    save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), position)
    assert not partial_one.exists()
    assert steps(tmp_path) == [1, 3]


def test_a_checkpoint_that_is_half_deleted_is_not_there(tmp_path, monkeypatch):
    save_dots(tmp_path, [1.0, 2.0])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda one, **_: interrupt() if one.exists() else None)
        with pytest.raises(KeyboardInterrupt):
            prune(tmp_path, keep_last=1, keep_best=0, watch="bleu")
    assert steps(tmp_path) == [2]
    left = tmp_path / "checkpoints" / "step-0000001"
    left.mkdir()  # as older versions of nmt may have left one
    assert steps(tmp_path) == [2]


def interrupt() -> None:
    raise KeyboardInterrupt


def test_pieces_that_an_older_version_did_not_count_are_the_tokens(tmp_path):
    file = tmp_path / "state.json"
    file.write_text('{"step": 3, "tokens": 70}')
    assert checkpoint.read_position(file).pieces == 70


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path, monkeypatch):
    save_dots(tmp_path, [1.0])
    model, position = dot(2)
    monkeypatch.setattr(checkpoint, "random_states", full_disk)
    with pytest.raises(UserError, match=r"step-0000002 cannot be written: No space left on device"):
        save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), position)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-0000001"]
    assert damage(checkpoints(tmp_path)[0].folder) is None


FILES = ["model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["bit", "torn", "gone"])
def test_what_the_disk_has_changed_is_set_aside(kind, name, tmp_path):
    save_dots(tmp_path, [1.0, 2.0, 3.0])
    file = tmp_path / "checkpoints" / "step-0000003" / name
    newest = checkpoint.newest_intact(tmp_path)
    assert newest is not None
    assert newest.folder == file.parent
    content = file.read_bytes()
    if kind == "bit":
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif kind == "torn":
        file.write_bytes(content[:-1])
    else:
        file.unlink()
    warnings: list[str] = []
    alone = tmp_path / "alone" / "checkpoints"
    shutil.copytree(file.parent, alone / "step-0000003")
    assert checkpoint.newest_intact(alone.parent) is None

    found = repaired(tmp_path, warnings.append)

    assert [one.position.step for one in found] == steps(tmp_path) == [1, 2]
    assert len(warnings) == 1
    assert name in warnings[0]
    assert (tmp_path / "checkpoints" / "step-0000003.damaged").is_dir()


def test_a_checkpoint_can_be_written_over(tmp_path):
    """A run that was stopped at a step, and measures there when it goes on."""
    save_dots(tmp_path, [1.0])
    model, position = dot(1, bleu=5.0)
    save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), position)
    (found,) = checkpoints(tmp_path)
    assert found.position.dev["bleu"] == 5.0
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-0000001"]


@pytest.mark.parametrize("there", [False, True])
def test_an_exchange_that_was_interrupted_is_put_right(there, tmp_path):
    save_dots(tmp_path, [1.0, 2.0])
    place = tmp_path / "checkpoints" / "step-0000002"
    old = place.with_name("step-0000002.old")
    shutil.copytree(place, old)
    if not there:
        shutil.rmtree(place)
    assert [one.position.step for one in repaired(tmp_path, print)] == [1, 2]
    assert not old.exists()


def test_what_was_not_measured_is_kept_as_long_as_it_is_the_newest(tmp_path):
    save_dots(tmp_path, [2.0, 9.0])
    for step in (3, 4):
        model, _ = dot(step)
        save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), Position(step))
        prune(tmp_path, keep_last=1, keep_best=1, watch="bleu")
        assert steps(tmp_path) == [2, step]
    assert [one.position.step for one in better_first(checkpoints(tmp_path), "bleu")] == [2]


@pytest.mark.parametrize("ema", [False, True])
def test_the_size_is_that_of_the_files_but_for_their_headers(ema, tmp_path):
    model = small_rnn(decoder_width=64)
    optimizer = torch.optim.Adam(model.parameters())
    expected = checkpoint.size(model, optimizer, ema)
    learn(model, optimizer, 1)
    average = dict(checkpoint.parameters(model)) if ema else None
    folder = save(tmp_path, contents(model, optimizer, average), Position(step=1)).folder
    taken = sum(file.stat().st_size for file in folder.iterdir())
    assert expected <= taken < 1.3 * expected


def test_there_may_be_none(tmp_path):
    assert checkpoints(tmp_path) == []


@pytest.mark.parametrize(
    ("keep_last", "keep_best", "watch", "kept"),
    [
        (2, 0, "bleu", [4, 5]),
        (1, 1, "bleu", [2, 5]),
        (1, 2, "bleu", [2, 4, 5]),
        (1, 1, "loss", [3, 5]),
        (0, 1, "loss", [3, 5]),  # the newest always stays, or nothing could go on
        (9, 9, "bleu", [1, 2, 3, 4, 5]),
    ],
)
def test_the_last_and_the_best_are_kept(keep_last, keep_best, watch, kept, tmp_path):
    save_dots(tmp_path, [2.0, 9.0, 1.0, 9.0, 5.0])
    prune(tmp_path, keep_last, keep_best, watch)
    assert steps(tmp_path) == kept


def test_the_average_is_the_mean_of_the_tensors(tmp_path):
    models = save_dots(tmp_path, [1.0, 2.0, 3.0])
    mean = average(checkpoints(tmp_path))
    expected = torch.stack([model.weight for model in models]).mean(0)
    torch.testing.assert_close(mean, {"weight": expected.detach()})
    checkpoint.put(models[0], mean)
    assert torch.equal(models[0].weight, mean["weight"])


def test_the_final_model_is_the_mean_of_the_last_or_of_the_best(tmp_path):
    """Of those that were measured: the sixth was written when a signal came."""
    models = save_dots(tmp_path, [2.0, 9.0, 1.0, 9.0, 5.0])
    model, _ = dot(6)
    save(tmp_path, contents(model, torch.optim.SGD(model.parameters())), Position(6))
    for config, meant in (
        (Train(average="last", keep_last=1), [5]),
        (Train(average="last", keep_last=3, keep_best=2), [3, 4, 5]),
        (Train(average="last", keep_last=9), [1, 2, 3, 4, 5]),
        (Train(average="best", keep_last=3, keep_best=1), [2]),
        (Train(average="best", keep_best=2), [2, 4]),
        (Train(average="best", keep_best=0), [2]),
        (Train(average="best", keep_best=2, watch="loss"), [3, 1]),
    ):
        finish(SimpleNamespace(model=model), tmp_path, 6, config, warn=pytest.fail)
        expected = torch.stack([models[step - 1].weight for step in meant]).mean(0)
        torch.testing.assert_close(model.weight, expected, msg=f"{config}")
        assert torch.equal(load_file(tmp_path / checkpoint.MODEL)["weight"], model.weight)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"decoder_layers": 1}, "decoder.cells.1.network.bias_hh_l0"),  # has other tensors
        ({"embedding_width": 9}, "source_embedding.weight"),  # of other shapes
    ],
)
def test_the_tensors_of_another_model_are_refused(changes, named, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save_tensors(small_rnn(**changes), path, step=1)
    with pytest.raises(UserError) as refusal:
        checkpoint.load_tensors(small_rnn(), path)
    assert str(path) in str(refusal.value)
    assert named in str(refusal.value)


def test_a_model_is_read_without_its_optimizer(tmp_path):
    model = small_rnn()
    written = save(
        tmp_path, contents(model, torch.optim.Adam(model.parameters())), Position(step=1)
    )
    tensors = Checkpoint.read(written.folder).model()
    assert tensors.keys() == dict(model.named_parameters()).keys()
