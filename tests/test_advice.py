"""What a message says to type is typed, and works."""

import json
import re
import shlex
import shutil
from collections import namedtuple
from math import nan
from pathlib import Path

import pytest
import torch
from command import mistake, nmt

from nmt.config.own import name_modules
from nmt.runs import checkpoint
from nmt.training.advice import diverged
from nmt.training.gradients import Gradients
from nmt.training.trainer import Trainer

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A current folder whose name has to be quoted, with a run of four updates to come."""
    folder = tmp_path / "my runs"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def commands(message: str) -> list[list[str]]:
    """The commands in a message, as a shell splits them."""
    found = re.findall(r"nmt (train (?:resume|from)=.+)", message)
    assert found, message
    return [shlex.split(one) for one in found]


def steps(run: str | Path) -> int:
    return json.loads((Path(run) / "result.json").read_text())["steps"]


def follow(message: str, *keys: str) -> None:
    """Type each of the commands, one a key; it trains to the end."""
    for words, key in zip(commands(message), keys, strict=True):
        assert key in words[1:][-1] or key in words[1]
        answer = nmt(*words)
        assert answer.code == 0, (words, answer.err)


def test_a_batch_without_memory(tiny, here, monkeypatch):
    """Of a CPU, whose allocator has an error of its own."""
    real = Gradients.passes

    def passes(self, batch, divisor):
        if batch.source.numel() > 64:
            torch.empty(2**50, dtype=torch.uint8)
        return real(self, batch, divisor)

    monkeypatch.setattr(Gradients, "passes", passes)
    message = mistake_of_training(*tiny, "hydra.run.dir=a run")
    assert "too little memory for a batch" in message
    follow(message, "train.split_batches=true", "train.accumulate=2")


def test_modules_of_the_users_own_are_named_again():
    name_modules(["parts=my_attention"])
    try:
        found = diverged("loss is inf", 0.1, 10, None).with_commands(Path("a run"))
    finally:
        name_modules([])
    assert [words[2] for words in commands(found)] == ["parts=my_attention"] * 2


def test_updates_that_are_not_finite(tiny, here, monkeypatch):
    real = Trainer.train_step

    def train_step(self, work):
        if self.base_rates[0] > 0.0015 and self.config.clip_norm == 1.0:
            self.model.output.bias.grad = torch.full_like(self.model.output.bias, nan)
        real(self, work)

    monkeypatch.setattr(Trainer, "train_step", train_step)
    message = mistake_of_training(*tiny, "train.max_skipped=2", "hydra.run.dir=a run")
    assert "training has diverged" in message
    follow(message, "train.clip_norm=0.5", "schedule.warmup=400")


def test_a_disk_with_too_little_room(tiny, here, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9e9, 0, 3000))
    monkeypatch.setattr(checkpoint, "size", lambda *_, **__: 1000)
    message = mistake_of_training(*tiny, "hydra.run.dir=a run")
    resume, anew = commands(message)
    assert nmt(*resume).code == 0
    assert anew == ["train", "from=a run", "hydra.run.dir=FOLDER"]


LIMITS = {
    "epochs": ["train.max_steps=null", "train.max_epochs=1", "train.evaluate_every=4"],
    "patience": ["train.patience=1", "train.evaluate_every=1", "train.max_steps=9"],
}


@pytest.mark.parametrize("words", LIMITS.values(), ids=LIMITS)
def test_a_run_that_has_ended(words, tiny, here):
    answer = nmt("train", *tiny, *words, "hydra.run.dir=a run")
    assert answer.code == 0, answer.err
    follow_what_an_ended_run_says()


@pytest.mark.usefixtures("here", "blank_pictures")
def test_a_run_that_has_ended_at_a_step(trained):
    shutil.copytree(trained, "a run")
    follow_what_an_ended_run_says()


def follow_what_an_ended_run_says() -> None:
    before = steps("a run")
    (command,) = commands(nmt("train", "resume=a run").err)
    assert nmt(*command).code == 0
    assert steps("a run") > before


@pytest.mark.usefixtures("here", "blank_pictures")
def test_a_setting_that_cannot_change(trained):
    shutil.copytree(trained, "a run")
    (command,) = commands(mistake(nmt("train", "resume=a run", "train.max_tokens=100")))
    assert nmt(*command).code == 0


def mistake_of_training(*words: str) -> str:
    """The message of a training that ends with a mistake, behind what it has printed."""
    answer = nmt("train", *words)
    assert answer.code == 1, answer.err
    assert "Traceback" not in answer.err
    return answer.err[answer.err.index("nmt: ") :]
