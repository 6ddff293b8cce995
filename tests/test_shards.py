"""Processes that divide a model: what one with all of it would have done, and as it leaves it."""

import signal
from pathlib import Path

import pytest
import torch
from choices import ALL
from command import nmt
from safetensors.torch import load_file
from test_ranks import EXACT, assert_close, result
from test_resume import assert_equal, metrics, words

SHARD = "train.shard=true"
# Weights without a gradient get one of rounding errors, of which Adam makes whole steps.
COMPARABLE = [*EXACT, "schedule=constant", "optimizer.eps=1e-4"]
MODELS = {
    "rnn": [],
    "transformer": ["model.encoder_layers=1", "model.decoder_layers=2", "positions=rope"],
}


def test_each_process_holds_half_of_all_and_both_do_what_one_would(forked):
    answer = forked.nmt(size=2, first="shard_checks.divide")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("model", MODELS)
def test_processes_that_divide_a_model_learn_what_one_does_and_go_on_for_each_other(
    model, forked, tiny, numbers, tmp_path
):
    """Updates of four batches, and of three where an epoch of seven ends."""
    typed = [*words(tiny, model), *MODELS[model], *COMPARABLE]
    links = forked.folder / "links"
    links.write_text("0-0 1-1 2-2\n" * len((numbers / "train.en").read_text().splitlines()))
    typed += ["consistency=rdrop", "guide=file", f"guide.path={links}", "train.max_tokens=110"]
    typed += ["model.dropout=1e-9"]  # R-Drop needs some; so little drops nothing
    typed += ["train.log_every=1"]
    runs = [forked.folder / f"{model}-{size}" for size in (1, 2)]
    for run, size in zip(runs, (1, 2), strict=True):
        begin = [*typed, "train.max_steps=3", f"hydra.run.dir={run}"]
        answer = forked.nmt("train", *begin, *together(size), size=size)
        assert answer.code == 0, answer.err
        assert "arning" not in answer.err
        assert "\n7 batches per epoch" in answer.err
        assert ("2 processes that share them" in answer.err) == (size == 2)
    assert_close(*map(metrics, runs))
    assert_same_files(*runs)
    if model == "rnn":
        assert_used_by_one(runs[1], tmp_path / "again")
        if not ALL:
            return

    for run, size in zip(runs, (2, 1), strict=True):
        go_on = [f"resume={run}", "train.max_steps=5"]
        answer = forked.nmt("train", *go_on, *together(size), size=size)
        assert answer.code == 0, answer.err
    assert_close(*map(metrics, runs))
    assert_same_files(*runs)


def assert_used_by_one(run: Path, output: Path) -> None:
    """What two processes divided one process evaluates, and finds the same translations."""
    assert result(run)["processes"] == 2
    assert (run / "explorer.html").is_file(), "the first one read the whole model for it"

    answer = nmt("evaluate", f"run={run}", f"output={output}", "device=cpu", "heatmaps=0")

    assert answer.code == 0, answer.err
    assert (output / "hypotheses.txt").read_text() == (run / "hypotheses.txt").read_text()


def together(size: int) -> list[str]:
    """What is typed for updates of four batches; one process has not to be told."""
    return [f"train.accumulate={4 // size}", f"train.shard={size > 1}"]


def assert_same_files(run: Path, other: Path) -> None:
    """The same tensors by name, shape and type, and the same numbers but for rounding."""
    names = [str(file.relative_to(run)) for file in run.rglob("*.safetensors")]
    assert len({Path(name).name for name in names}) == 4
    for name in names:
        if not name.endswith("random.safetensors"):
            found, wanted = load_file(other / name), load_file(run / name)
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6, msg=name)


@pytest.fixture(scope="module")
def undisturbed(forked, tiny) -> tuple[list[str], Path]:
    """A divided training with everything that has a state, and an infinite gradient."""
    typed = [*words(tiny, "transformer"), *MODELS["transformer"], "consistency=simcut"]
    typed += ["train.max_steps=6", SHARD]
    run = forked.folder / "divided"
    spoiled = {"size": 2, "first": "shard_checks.spoil"}
    answer = forked.nmt("train", *typed, f"hydra.run.dir={run}", **spoiled)
    assert answer.code == 0, answer.err
    return typed, run


def test_an_infinite_part_of_a_gradient_has_all_leave_the_update_out(undisturbed):
    _, run = undisturbed
    assert result(run)["skipped_updates"] == 1
    last = max((run / "checkpoints").iterdir())
    assert all(tensor.isfinite().all() for tensor in load_file(last / "model.safetensors").values())


def test_a_divided_training_that_a_signal_stops_goes_on_as_if_nothing_had_happened(
    undisturbed, forked
):
    typed, whole = undisturbed
    run = whole.with_name("stopped")
    stopped = {"send": signal.SIGTERM, "once": run / "checkpoints"}
    spoiled = {"size": 2, "first": "shard_checks.spoil"}
    answer = forked.nmt("train", *typed, f"hydra.run.dir={run}", **spoiled, **stopped)
    assert answer.code == 0, answer.err
    assert answer.err.count("nmt: SIGTERM: stopped at step ") == 1
    assert answer.err.count("to resume: nmt train resume=") == 1
    assert not (run / "result.json").exists()

    answer = forked.nmt("train", f"resume={run}", **spoiled)

    assert answer.code == 0, answer.err
    assert_equal(run, whole)


def test_one_process_alone_holds_all(tiny, trained, tmp_path):
    run = tmp_path / "run"
    answer = nmt("train", *tiny, SHARD, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    name = "model.safetensors"
    assert (run / name).read_bytes() == (trained / name).read_bytes()


def test_an_optimizer_of_whole_matrices_is_refused(forked, tiny):
    answer = forked.nmt("train", *tiny, SHARD, "optimizer=muon", "hydra.run.dir=no", size=2)
    assert answer.code == 1
    assert "nmt: train.shard=true: each process holds a part of every matrix" in answer.err
    assert "choose optimizer=adam or optimizer=adamw" in answer.err
    assert "nmt (process 2): " in answer.err
    assert "Traceback" not in answer.err
    assert not (forked.folder / "no").exists()
