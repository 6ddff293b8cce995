"""What a command says can be typed next can be typed."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from command import Answer, nmt
from comparison_runs import NONE, RESULT, configured, write_run

from nmt.report.next_steps import KEPT, after_training, program
from nmt.runs.folder import stored_config


def following(answer: Answer) -> list[list[str]]:
    """The words of the commands at the end of an answer."""
    assert answer.code == 0, answer.err
    _, _, end = answer.err.partition("\nnext:\n")
    return [shlex.split(line) for line in end.splitlines()]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_named_after_training_can_be_typed(tiny, here):
    run = "it's = mine"
    trained = following(nmt("train", *tiny, f"hydra.run.dir={run}"))

    assert [words[1:3] for words in trained] == [
        ["translate", f"run={run}"],
        ["--logdir", run],
        ["align", f"run={run}"],
    ]
    assert nmt(*trained[0][1:], stdin=b"eins\n").code == 0
    assert following(nmt(*trained[2][1:], "heatmaps=0")) == []
    assert following(nmt("train", f"resume={run}", "train.max_steps=5")) == trained
    data = [word for word in tiny if word.startswith("data")]
    (aligned,) = following(nmt("evaluate", f"run={run}", "heatmaps=0", "decode.beam=1", *data))
    assert aligned[1:] == ["align", f"run={run}", *data]
    assert nmt(*aligned[1:], "heatmaps=0").code == 0


def test_tensorboard_keeps_all_pictures_wherever_it_is_started():
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()

    assert f"tensorboard --logdir runs {KEPT} " in makefile


def test_what_a_run_has_not_is_not_named(here):
    for attention, split, last in (
        (NONE, "test", "evaluate run=a split=dev"),
        (None, "dev", "align run=a split=dev"),
        (None, "test", "align run=a"),
    ):
        run = write_run(Path("a"), configured(attention), {**RESULT, "split": split})
        assert after_training(run, stored_config(run))[-1].endswith(f" {last}")
        shutil.rmtree(run)


def test_the_best_attention_is_named_where_dev_has_links(trained, numbers, here):
    run = shutil.copytree(trained, "run")
    Path("gold").write_text("1-1\n" * 6)
    files = {"source": numbers / "dev.de", "target": numbers / "dev.en", "gold": "gold"}
    words = [f"run={run}", "heatmaps=0", *(f"dev.{key}={path}" for key, path in files.items())]

    (best,) = following(nmt("align", *words, "layer=null"))

    assert best[1:] == ["align", *words, "layer=best", "head=best", "shift=best"]
    assert following(nmt(*best[1:])) == []


@pytest.mark.usefixtures("without_plots")
def test_an_unfinished_run_is_named_with_what_finishes_it(here):
    write_run(Path("runs/a=1,b=2"), configured(), RESULT)
    write_run(Path("runs/a=2,b=2"), configured(NONE))

    found = following(nmt("compare", "runs", "num_sentences=0"))

    assert [words[1:3] for words in found] == [
        ["train", "resume=runs/a=2,b=2"],
        ["--logdir", "runs"],
    ]


def test_a_program_is_called_so_that_the_shell_finds_it(here, monkeypatch):
    """By name where that is the one of this environment; else by its place."""
    (here / "bin").mkdir()
    (here / "other").mkdir()
    for place in ("bin/python", "bin/nmt", "other/nmt", "other/tensorboard"):
        Path(place).write_text("#!/bin/sh\n")
        Path(place).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(here / "bin" / "python"))
    for path, name, called in (
        ("bin", "nmt", "nmt"),
        ("other", "nmt", "bin/nmt"),
        ("", "nmt", "bin/nmt"),
        ("other", "tensorboard", "tensorboard"),
        ("", "tensorboard", "bin/python -m tensorboard.main"),
    ):
        monkeypatch.setenv("PATH", str(here / path) if path else "/nowhere")
        assert program(name) == called
