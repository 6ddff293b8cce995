"""Sweeps: what they name their runs, skip, go on with, and say of those that failed."""

import json
import os
from pathlib import Path

import pytest
from command import files, nmt

from nmt.commands.sweep import fixed_keys
from nmt.config.schema import swept
from nmt.config.words import as_choice
from nmt.training.room import only_one
from nmt.training.trainer import Trainer


@pytest.mark.parametrize(
    ("words", "run", "name"),
    [
        (["a=1,2", "b=3"], ["a=2", "b=3"], "a=2"),
        (["a=1", "b=3"], ["a=1", "b=3"], "7"),
        (["a=x/y,z", "b=choice(1,2)"], ["a=x/y", "b=1"], "a=x_y,b=1"),
        (["+c=1,2"], ["+c=2"], "c=2"),
        ([], ["lr=0.1"], "lr=0.1"),  # the space of a sweeper, which nobody typed
        (["a=1,2"], ["a=" + 300 * "x"], "7"),
        (["a=b:C,d"], [r"a=b\:C"], "a=b.C"),
        (
            ["encoder.2.window=full,local_m", "cross.heads=1,2"],
            ["+window@encoder.2.window=local_m", "++cross.heads=2"],
            "encoder.2.window=local_m,cross.heads=2",
        ),
    ],
)
def test_a_run_is_named_by_what_is_not_the_same_in_all(words, run, name):
    word = fixed_keys([as_choice(word) for word in words])
    fixed = word.partition("=")[2].strip("[]").replace("'", "").split(",")

    assert swept(run, fixed, 7) == name


def stop(monkeypatch, error: BaseException, step: int, run: Path) -> None:
    """Raise in the middle of one of the trainings."""
    real = Trainer.train_step

    def train_step(self, work):
        if self.position.step == step and self.run.name == run.name:
            raise error
        return real(self, work)

    monkeypatch.setattr(Trainer, "train_step", train_step)


@pytest.fixture
def grid(tiny, tmp_path, monkeypatch) -> list[str]:
    """The words of a sweep over two widths in the current folder."""
    monkeypatch.chdir(tmp_path)
    words = [word for word in tiny if "_width" not in word]
    widths = ["model.embedding_width=8", "model.encoder_width=8", "model.decoder_width=12,16"]
    return [*words, *widths, "attention=bahdanau", "-m", "hydra.sweep.dir=grid"]


RUNS = [Path("grid/model.decoder_width=12"), Path("grid/model.decoder_width=16")]


def test_a_sweep_started_again_skips_what_is_finished_and_resumes_the_rest(grid, monkeypatch):
    with monkeypatch.context() as patch:
        stop(patch, KeyboardInterrupt(), step=3, run=RUNS[1])
        answer = nmt("train", *grid)
    assert answer.code == 130
    assert answer.err.endswith("to resume: the same command, with hydra.sweep.dir=grid\n")
    assert [(run / "result.json").exists() for run in RUNS] == [True, False]
    before = {name: os.stat(RUNS[0] / name).st_mtime_ns for name in files(RUNS[0])}

    answer = nmt("train", *grid)

    assert answer.code == 0, answer.err
    assert "decoder_width=12 is finished, skipped" in answer.err
    assert "resuming at step 2" in answer.err
    assert answer.err.endswith("nmt compare grid\n")
    assert answer.err.count("next:") == 1, "of the sweep, not of each run"
    said = answer.err.splitlines()
    assert said.index("1/2 model.decoder_width=12") < said.index("2/2 model.decoder_width=16")
    assert answer.err.count("train pairs") <= 1, "the cleaning of one text is shown once"
    rows = [line.split() for line in said if line.startswith(" model.decoder_width=")]
    assert [len(row) for row in rows] == [4, 4]
    assert {name: os.stat(RUNS[0] / name).st_mtime_ns for name in files(RUNS[0])} == before
    assert json.loads((RUNS[1] / "result.json").read_text())["steps"] == 4

    assert_does_not_take_the_runs_of_the_first(grid)


def assert_does_not_take_the_runs_of_the_first(grid: list[str]) -> None:
    """A sweep with other words leaves all runs as they are."""
    before = {name: os.stat(run / name).st_mtime_ns for run in RUNS for name in files(run)}

    answer = nmt("train", *grid, "model.dropout=0.5")

    assert answer.code == 1
    message = answer.err
    assert "has a run with other settings: model.dropout=0.05, now 0.5" in message
    assert [line.split()[1:] for line in message.splitlines() if line.startswith(" model.")] == [
        ["not", "trained"],
        ["not", "trained"],
    ]
    assert "2 of the runs in grid were not trained" in message
    assert {name: os.stat(run / name).st_mtime_ns for run in RUNS for name in files(run)} == before
    beside = Path("grid/model.decoder_width=12.failure.txt")
    assert "has a run with other settings" in beside.read_text()

    assert nmt("train", *grid).code == 0
    assert not beside.exists()


def test_a_failed_run_says_why_and_is_tried_again(grid, monkeypatch):
    with monkeypatch.context() as patch:
        stop(patch, RuntimeError("out of luck"), step=1, run=RUNS[0])
        answer = nmt("train", *grid)
    assert answer.code == 1
    assert "nmt: 1 of the runs in grid failed, and failure.txt" in answer.err
    assert answer.err.endswith("says why: model.decoder_width=12\n")
    summary, empty, *trace = (RUNS[0] / "failure.txt").read_text().splitlines()
    assert (summary, empty, trace[0]) == (
        *("RuntimeError: out of luck", ""),
        "Traceback (most recent call last):",
    )
    assert (RUNS[1] / "result.json").exists()

    answer = nmt("train", *grid)

    assert answer.code == 0, answer.err
    assert all((run / "result.json").exists() for run in RUNS)
    assert not (RUNS[0] / "failure.txt").exists()


def test_a_run_that_another_process_trains_is_left_to_it(grid):
    with only_one(RUNS[0]):
        answer = nmt("train", *grid)
    assert answer.code == 1
    assert "nmt: 1 of the runs in grid were not trained" in answer.err
    assert files(RUNS[0]) == ["lock"]
    assert (RUNS[1] / "result.json").exists()
