"""Runs that are killed, stopped and out of room: what they end with when they have gone on."""

import json
import random
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from choices import ALL
from command import nmt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

KILLS = 20 if ALL else 5
# SIGTERM stops two processes in test_shards.py; all of them are in test_signals.py.
SIGNALS = ("SIGINT", *(("SIGTERM", "SIGUSR1", "SIGHUP") if ALL else ()))
CLOCK = ("tokens_per_s", "minutes", "sentences_per_s", "peak_memory_mb")  # are not repeated
COMMON = [
    *("train.max_steps=12", "train.evaluate_every=3", "train.log_every=2", "train.accumulate=2"),
    *("train.heatmaps=0", "decode.beam=1"),
    *("train.keep_last=2", "train.keep_best=2", "train.patience=8", "train.ema=0.9"),
    *("model.dropout=0.2", "tokenizer.kind=unigram", "tokenizer.sample=0.2", "schedule=plateau"),
]
MODELS = {
    "rnn": ["attention=bahdanau", "order.input_feed=true", "normalize=reinforce"],
    "transformer": [
        *("model=transformer_tiny", "model.width=16", "model.feed_forward_width=16", "gate=l0"),
        *("model.encoder_layers=1", "model.decoder_layers=2"),
    ],
}


def words(tiny: list[str], model: str) -> list[str]:
    """A training of a few seconds with everything that has a state."""
    some = [word for word in tiny if model == "rnn" or not word.startswith("model.")]
    return [*some, *MODELS[model], *COMMON]


@pytest.fixture(scope="module", params=MODELS)
def whole(request, forked, tiny) -> tuple[list[str], Path, float, float]:
    """What to type, a run that nothing happened to, its seconds before and in training."""
    typed = words(tiny, request.param)
    run = forked.folder / request.param
    answer = forked.nmt("train", *typed, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    trained = (run / "result.json").stat().st_mtime - (run / "tokenizer").stat().st_mtime
    return typed, run, answer.seconds - trained, trained


def only_for(model: str, whole: tuple[list[str], Path, float, float]) -> None:
    """Skip the other model: what is tested is not of a model, and takes many trainings."""
    if not ALL and whole[1].name != model:
        pytest.skip(f"with {model}; make test-all takes both")


def metrics(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.endswith(CLOCK)} for line in lines]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    names = [name for name in events.Tags()["scalars"] if not name.endswith(CLOCK)]
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in names}


def tensors(run: Path) -> dict[str, bytes]:
    """Every tensor file, byte for byte."""
    return {
        str(file.relative_to(run)): file.read_bytes() for file in sorted(run.rglob("*.safetensors"))
    }


def assert_equal(run: Path, other: Path) -> None:
    """Both runs ended alike, bit for bit."""
    assert tensors(run) == tensors(other)
    assert metrics(run) == metrics(other)
    assert scalars(run) == scalars(other)
    for name in ("hypotheses.txt", "config.yaml"):
        assert (run / name).read_bytes() == (other / name).read_bytes()
    results = [json.loads((one / "result.json").read_text()) for one in (run, other)]
    for key in ("bleu", "chrf", "dev", "best_dev", "tested_weights", "tokens", "steps"):
        assert results[0][key] == results[1][key]


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(whole, forked):
    only_for("transformer", whole)
    typed, undisturbed, start, trained = whole
    run = undisturbed.with_name(undisturbed.name + "-killed")
    moment = random.Random(7)
    for number in range(KILLS + 1):
        begun = (run / "config.yaml").exists()
        command = [f"resume={run}"] if begun else [*typed, f"hydra.run.dir={run}"]
        how: dict[str, Any] = {}
        if number < KILLS // 5:  # before it trains
            how = {"send": signal.SIGKILL, "after": moment.uniform(0, start)}
        elif number < KILLS:
            after = moment.uniform(0, trained / 10)
            how = {"send": signal.SIGKILL, "after": after, "once": run / "metrics.jsonl"}
        answer = forked.nmt("train", *command, **how)
        assert answer.code == (-signal.SIGKILL if how else 0), (number, answer.err)
    assert_equal(run, undisturbed)
    left = [p.name for p in run.rglob("*") if p.suffix in (".partial", ".old", ".damaged")]
    assert left == []


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_run_that_then_goes_on(name, whole, forked):
    only_for("rnn" if name in ("SIGINT", "SIGHUP") else "transformer", whole)
    typed, undisturbed, _, trained = whole
    run = undisturbed.with_name(f"{undisturbed.name}-{name}")
    answer = forked.nmt(
        "train",
        *typed,
        f"hydra.run.dir={run}",
        send=signal.Signals[name],
        once=run / "checkpoints",
        after=trained / 10,
    )
    assert answer.code == 0, answer.err
    assert f"nmt: {name}: stopped at step " in answer.err
    assert f"to resume: nmt train resume={run.name}\n" in answer.err
    assert "Traceback" not in answer.err
    assert not (run / "result.json").exists()
    answer = forked.nmt("train", f"resume={run}")
    assert answer.code == 0, answer.err
    assert_equal(run, undisturbed)


def test_a_run_whose_terminal_is_closed_stops_and_then_goes_on(whole, forked):
    only_for("rnn", whole)
    typed, undisturbed, *_ = whole
    run = undisturbed.with_name(f"{undisturbed.name}-closed")
    first = "forked.at_a_terminal_that_closes"
    answer = forked.nmt("train", *typed, f"hydra.run.dir={run}", first=first)
    assert answer.code == 0
    assert not (run / "result.json").exists()
    assert forked.nmt("train", f"resume={run}").code == 0
    assert_equal(run, undisturbed)


def test_a_run_that_trains_on_and_is_killed_is_of_one_step_at_every_moment(whole, forked):
    """Each time two renames later among those by which the end is left and the new one written."""
    only_for("rnn", whole)
    _, undisturbed, *_ = whole
    reference, run = (undisturbed.with_name(f"{undisturbed.name}-{n}") for n in ("on", "on-killed"))
    for folder in (reference, run):
        shutil.copytree(undisturbed, folder)
    words = ["train.max_steps=15", "train.patience=null"]
    assert forked.nmt("train", f"resume={reference}", *words).code == 0
    before = json.loads((undisturbed / "result.json").read_text())["steps"]
    steps = {before: undisturbed, 15: reference}
    codes = []
    for number in range(2, 24, 1 if ALL else 2):
        first = f"forked.killed_after_renames {number}"
        codes.append(forked.nmt("train", f"resume={run}", *words, first=first).code)
        for folder in (run, *run.glob("ends/*[0-9]")):
            assert_of_one_step(folder, steps)
        if codes[-1] == 0:
            break
    assert codes == [*[-signal.SIGKILL] * (len(codes) - 1), 0]
    assert len(codes) > 4
    assert_equal(run, reference)
    (end,) = (run / "ends").iterdir()
    assert end.name == f"step-{before:07d}"
    assert_of_one_step(end, steps)


def assert_of_one_step(folder: Path, steps: dict[int, Path]) -> None:
    """Of the run that ended at a step is all that an end has, if the folder has any of it."""
    names = ("result.json", "model.safetensors", "hypotheses.txt")
    there = [name for name in names if (folder / name).exists()]
    ended = {
        step
        for step, run in steps.items()
        if all(same_end(folder / name, run / name) for name in there)
    }
    assert ended, there
    if "result.json" in there:
        assert there == list(names)
        last = max((folder / "checkpoints").glob("step-*[0-9]"), default=None)
        assert last is None or int(last.name[-7:]) in ended


def same_end(file: Path, other: Path) -> bool:
    """Whether two files are of the same end, whatever a clock says in them."""
    if file.suffix != ".json":
        return file.read_bytes() == other.read_bytes()
    one, two = (json.loads(path.read_text()) for path in (file, other))
    return all(one[key] == two[key] for key in ("steps", "bleu", "tokens"))


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_taken(whole, forked):
    only_for("rnn", whole)
    _, undisturbed, *_ = whole
    run = undisturbed.with_name(undisturbed.name + "-damaged")
    shutil.copytree(undisturbed, run)
    for name in ("result.json", "model.safetensors"):
        (run / name).unlink()
    last = max((run / "checkpoints").iterdir())
    file = last / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))

    answer = forked.nmt("train", f"resume={run}")

    assert answer.code == 0, answer.err
    assert (
        f"{last.name} is damaged (optimizer.safetensors has changed since it was written)"
        in " ".join(answer.err.split())
    )
    shutil.rmtree(last.with_name(last.name + ".damaged"))
    assert_equal(run, undisturbed)


def test_a_disk_without_room_ends_a_run_that_then_goes_on(tiny, tmp_path):
    """No file may grow beyond a size that the first checkpoint's does not have."""
    run = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, hard))
    try:
        answer = nmt("train", *tiny, f"hydra.run.dir={run}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.code == 1, answer.err
    assert "Traceback" not in answer.err
    assert "File too large" in answer.err
    assert f"resume={run}" in answer.err
    assert nmt("train", f"resume={run}").code == 0


def test_a_folder_that_cannot_be_written_is_told(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    answer = nmt("train", *tiny, f"hydra.run.dir={tmp_path}/file/run")
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert f"{tmp_path}/file" in answer.err
