"""One folder, one training, also where several begin in the same second or aim at one folder."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command import files, mistake, nmt
from omegaconf import DictConfig

from nmt.commands import again
from nmt.commands.folders import claimed
from nmt.experiment import outcome
from nmt.experiment.build import Parts
from nmt.training.trainer import Trainer


def test_a_folder_is_claimed_once(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(claimed, [tmp_path / "above" / "now"] * 16))
    names = ["now", *(f"now-{number}" for number in range(2, 17))]
    assert sorted(found) == sorted(tmp_path / "above" / name for name in names)


def test_where_no_folder_can_be_made_the_name_stays(tmp_path):
    (tmp_path / "file").write_text("")
    assert claimed(tmp_path / "file" / "now") == tmp_path / "file" / "now"


class SameSecond(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime(2026, 1, 31, 12)


YEAR = f"{datetime.now():%Y}"
TYPED = {
    "one": (["hydra.run.dir=${hydra:runtime.choices.model}/${now:%Y}"], "rnn_small/{}", f"{YEAR}"),
    "sweep": (
        ["-m", "model.dropout=0.1,0.2", """hydra.sweep.dir="it's/${now:%Y}\""""],
        "it's/{}/model.dropout=0.2",
        f"{YEAR}",
    ),
    "again": (["from=run"], "runs/run-again/{}", "2026-01-31_12-00-00"),
}


@pytest.fixture
def train_at_once(trained, monkeypatch) -> None:
    """A training leaves what another one has left, but for its seed."""

    def train(cfg: DictConfig, run: Path, *_: object) -> float:
        shutil.copytree(trained, run, dirs_exist_ok=True)
        result = json.loads((run / "result.json").read_text())
        (run / "result.json").write_text(json.dumps({**result, "seed": cfg.seed}))
        return 0.0

    monkeypatch.setattr("nmt.commands.train.train", train)


@pytest.mark.usefixtures("train_at_once")
@pytest.mark.parametrize(("words", "run", "name"), TYPED.values(), ids=TYPED)
def test_trainings_of_the_same_second_have_folders_of_their_own(
    words, run, name, trained, tmp_path, monkeypatch
):
    """The year is a time that two of them have in common."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(again, "datetime", SameSecond)
    if words == ["from=run"]:
        shutil.copytree(trained, "run")
    for seed in (1, 2):
        answer = nmt("train", *words, f"seed={seed}")
        assert answer.code == 0, answer.err
    for seed, folder in ((1, name), (2, f"{name}-2")):
        result = json.loads((Path(run.format(folder)) / "result.json").read_text())
        assert result["seed"] == seed


def after_step_3(patch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    real = Trainer.train_step

    def train_step(self: Trainer, work: Any) -> None:
        if self.position.step == 3:
            do()
        real(self, work)

    patch.setattr(Trainer, "train_step", train_step)


def before_the_final_test(patch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    real = outcome.test

    def test(*given: Any) -> Any:
        do()
        return real(*given)

    patch.setattr(outcome, "test", test)


def before_the_final_model(patch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    real = outcome.finish

    def finish(*given: Any) -> Any:
        do()
        return real(*given)

    patch.setattr(outcome, "finish", finish)


def delete(folder: Path) -> None:
    while folder.exists():  # another thread may write a file into it meanwhile
        shutil.rmtree(folder, ignore_errors=True)


GONE = [
    ("moved", after_step_3),
    ("moved", before_the_final_model),
    ("moved", before_the_final_test),
    ("deleted", after_step_3),
]


@pytest.mark.parametrize(("kind", "moment"), GONE)
def test_a_folder_that_goes_while_it_trains_ends_training_with_a_message(
    kind, moment, tiny, tmp_path, monkeypatch
):
    """Without a traceback of a thread, which would be an error here; and it is not made anew."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    go = partial(run.rename, moved) if kind == "moved" else partial(delete, run)
    with monkeypatch.context() as patch:
        moment(patch, go)
        answer = nmt("train", *tiny, f"hydra.run.dir={run}")

    assert answer.code == 1
    assert f"nmt: {run} was moved or deleted during training" in answer.err
    assert "Traceback" not in answer.err
    assert not run.exists()
    if kind == "moved" and moment == before_the_final_model:
        answer = nmt("train", f"resume={moved}")
        assert answer.code == 0, answer.err
        assert json.loads((moved / "result.json").read_text())["steps"] == 4


def meanwhile(monkeypatch, do: Callable[[], object]) -> None:
    """Do something while a training reads its data."""

    def loader(*given: Any) -> Any:
        do()
        return real(*given)

    real = Parts.loader
    monkeypatch.setattr(Parts, "loader", loader)


def test_a_training_does_not_mix_with_one_that_began_in_its_folder(tiny, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def begin() -> None:
        run.mkdir(exist_ok=True)
        (run / "config.yaml").write_text("seed: 2")

    with monkeypatch.context() as patch:
        meanwhile(patch, begin)
        message = mistake(nmt("train", *tiny, f"hydra.run.dir={run}"))

    assert "another training has started" in message
    assert files(run) == ["config.yaml", "lock"]


def test_a_run_does_not_resume_over_one_that_was_changed(trained, tmp_path, monkeypatch):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    config = run / "config.yaml"
    changed = config.read_text().replace("max_steps: 4", "max_steps: 9")

    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: config.write_text(changed))
        message = mistake(nmt("train", f"resume={run}", "train.max_steps=6"))

    assert f"nmt train resume={run}" in message
    assert config.read_text() == changed
