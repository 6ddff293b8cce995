"""A run that trains past an end: what its folder says is of one step at every moment."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from command import files, mistake, nmt
from torch import nn

from nmt.commands.sweep import finished
from nmt.comparison.runs import read_run
from nmt.experiment import ends, outcome
from nmt.runs.checkpoint import save_tensors
from nmt.runs.folder import read_config, result_step

OLD = "step-0000004"
TEXTS = (
    *("hypotheses.txt", "sources.txt", "references.txt", "losses.txt"),
    *("dropped.tsv", "frequencies.tsv"),
)


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> Path:
    """A run that has ended at step 4, with an evaluation of its own, in the current folder."""
    monkeypatch.chdir(tmp_path)
    run = Path(shutil.copytree(trained, "run"))
    evaluated = run / "evaluation" / "some-text"
    evaluated.mkdir(parents=True)
    (evaluated / "result.json").write_text('{"bleu": 1.0}')
    return run


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def result(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def contents(run: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in names}


def test_a_run_that_is_stopped_past_its_end_is_unfinished(run, monkeypatch):
    """In the final test, when the weights have learned and nothing has been measured."""
    names = ("result.json", "model.safetensors", *TEXTS, "config.yaml")
    before = contents(run, names)
    said = nmt("translate", "run=run", stdin=b"eins zwei drei\n").out
    with monkeypatch.context() as patch:
        patch.setattr(outcome, "evaluate", interrupted)
        answer = nmt("train", "resume=run", "train.max_steps=6", "decode.beam=1")
    assert (answer.code, "Traceback" in answer.err) == (130, False), answer.err

    end = run / "ends" / OLD
    assert contents(end, names) == before
    assert not (run / "result.json").exists()
    assert not (run / "evaluation").exists()
    assert result(end / "evaluation" / "some-text") == {"bleu": 1.0}
    assert read_run(run).why == "unfinished: step 6"
    assert read_run(end).why == ""
    assert nmt("translate", f"run={end}", stdin=b"eins zwei drei\n").out == said

    answer = nmt("train", "resume=run")
    assert answer.code == 0, answer.err
    assert (result(run)["steps"], result(end)["steps"]) == (6, 4)
    assert read_run(run).why == ""
    assert [path.name for path in (run / "ends").iterdir()] == [OLD]
    assert "is finished (train.max_steps reached)" in nmt("train", "resume=run").err


def test_the_best_checkpoint_translates_until_there_is_a_new_model(run, monkeypatch):
    """And what was measured with it says so."""
    with monkeypatch.context() as patch:
        patch.setattr(outcome, "finish", interrupted)
        nmt("train", "resume=run", "train.max_steps=6")
    assert not (run / "model.safetensors").exists()
    evaluated = run / "evaluation" / "files-test"
    assert nmt("evaluate", "run=run", "heatmaps=0").code == 0
    weights = result(evaluated)["weights"]
    assert Path(weights).parts[0] == "checkpoints"
    assert (run / weights).is_file()

    assert nmt("train", "resume=run").code == 0
    assert nmt("evaluate", "run=run", "heatmaps=0").code == 0
    assert result(evaluated)["weights"] == "model.safetensors"


def test_a_run_that_cannot_train_on_loses_nothing(run, numbers):
    before = {name: (run / name).stat().st_mtime_ns for name in files(run)}
    other = Path("other")
    other.write_text((numbers / "train.de").read_text().replace("eins", "null"))
    words = [f"data.train=[{other},{numbers}/train.en]", "train.max_steps=6"]
    assert "source.model" in mistake(nmt("train", "resume=run", *words))
    shutil.rmtree(run / "checkpoints")
    message = mistake(nmt("train", "resume=run", "train.max_steps=6"))
    assert "run has result.json but no complete checkpoint" in message
    assert "nmt train from=run" in message
    now = {name: (run / name).stat().st_mtime_ns for name in files(run)}
    assert now.items() <= before.items()


def test_a_result_of_an_earlier_step_is_not_that_of_the_run(run, monkeypatch):
    """Older versions of nmt trained on beside it."""
    old = contents(run, ("result.json",))
    assert nmt("train", "resume=run", "train.max_steps=6").code == 0
    new = contents(run, TEXTS)
    (run / "result.json").write_bytes(old["result.json"])
    os.utime(run / "result.json", (1, 1))
    shutil.rmtree(run / "ends")

    assert read_run(run).why == "unfinished: step 6"
    assert finished(read_config(run), run) is None
    answer = nmt("train", "resume=run")
    assert answer.code == 0, answer.err
    assert "is finished" not in answer.err
    assert result(run)["steps"] == 6
    assert contents(run, TEXTS) == new
    assert result(run / "ends" / OLD)["steps"] == 4
    assert finished(read_config(run), run) == result(run)["best_dev"]["bleu"]
    shutil.rmtree(run / "checkpoints")
    assert finished(read_config(run), run) is not None


# A move that is cut off at any point


class Killed(BaseException):
    """The process ends here."""


def write_end(run: Path, step: int) -> None:
    """Everything that is of a step, each part saying of which."""
    (run / "checkpoints" / f"step-{step:07d}").mkdir(parents=True)
    state = run / "checkpoints" / f"step-{step:07d}" / "state.json"
    state.write_text(json.dumps({"step": step}))
    for name in (*ends.ABOUT, *ends.PARTS):
        path = run / name if "." in Path(name).name else run / name / "some" / "file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"steps": step, "name": name}))


def cut_at(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let so many changes of the disk through, and end at the next."""
    done = count()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*given: Any, **named: Any) -> Any:
            if next(done) == number:
                raise Killed
            return real(*given, **named)

        return change

    for module, name in ((os, "rename"), (os, "mkdir"), (shutil, "copyfile")):
        patch.setattr(module, name, counted(getattr(module, name)))


def layout(run: Path) -> dict[str, str]:
    return {n: (run / n).read_text() for n in files(run) if (run / n).is_file()}


def test_a_move_that_is_cut_off_anywhere_leaves_every_part_whole_and_is_completed(
    tmp_path, monkeypatch
):
    undisturbed = tmp_path / "undisturbed"
    write_end(undisturbed, 4)
    ends.leave(undisturbed, last=4, trains_on=True)
    assert not any((undisturbed / name).exists() for name in ends.PARTS)
    assert all((undisturbed / "ends" / OLD / n).exists() for n in (*ends.PARTS, *ends.ABOUT))
    whole = layout(undisturbed)

    for number in count():
        run = tmp_path / f"cut-{number}"
        write_end(run, 4)
        with monkeypatch.context() as patch:
            cut_at(patch, number)
            try:
                ends.leave(run, last=4, trains_on=True)
            except Killed:
                pass
            else:
                break
        in_run = [name for name in ends.PARTS if (run / name).exists()]
        moved = [name for name in ends.PARTS if list(run.glob(f"ends/*/{name}"))]
        assert [*moved, *in_run] == list(ends.PARTS), "each in one place, the result first"
        assert set(layout(run).values()) <= set(whole.values())
        assert result_step(run) == (4 if not moved else None)

        ends.complete(run)
        ends.leave(run, last=4, trains_on=True)
        assert layout(run) == whole
    assert number > len(ends.PARTS) + len(ends.ABOUT)


def test_an_end_that_comes_again_has_another_name(tmp_path):
    """Set aside, come to once more, and left again: neither is lost."""
    for _ in range(2):
        shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)
        write_end(tmp_path, 4)
        ends.leave(tmp_path, last=4, trains_on=True)
    assert sorted(path.name for path in (tmp_path / "ends").iterdir()) == [OLD, f"{OLD}-2"]


@pytest.mark.parametrize("tested", [True, False])
def test_an_end_is_left_at_the_step_that_it_says(tested, tmp_path):
    """By its result, or its model; its checkpoint was damaged, and the run goes on from step 2."""
    write_end(tmp_path, 4)
    save_tensors(nn.Linear(1, 1), tmp_path / "model.safetensors", step=4)
    if not tested:
        (tmp_path / "result.json").unlink()
    (place,) = ends.leave(tmp_path, last=2, trains_on=False)
    assert place.name == OLD
    assert (place / "model.safetensors").is_file()
    write_end(tmp_path, 6)
    assert ends.leave(tmp_path, last=6, trains_on=False) == []
