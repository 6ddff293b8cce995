"""Several processes that train together: what one alone would have done, and no more."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from choices import ALL
from command import nmt
from test_resume import assert_equal, metrics, words

from nmt.runs.checkpoint import checkpoints
from nmt.training.ranks import Ranks

EXACT = ["model.dropout=0", "tokenizer.sample=0", "precision=fp32", "train.patience=null"]
EXACT += ["gate=none", "normalize=softmax"]  # l0 and reinforce draw, each process its own numbers


def result(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


@pytest.mark.parametrize("number", range(6))
def test_shares_are_put_together_again(number):
    items = list(range(number))

    class Part(Ranks):
        def __init__(self, rank: int) -> None:
            self.rank, self.size = rank, 3

        def gathered(self, mine: Any) -> list[Any]:
            return [Part(rank).mine(items) for rank in range(3)]

    shares = [Part(rank).mine(items) for rank in range(3)]
    assert sorted(chain.from_iterable(shares)) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(Part(rank).merged(shares[rank]) == items for rank in range(3))


@pytest.fixture(scope="module")
def shared(forked, tiny) -> Path:
    """A folder of runs of one and of four processes, with the same updates of four batches.

    Where an epoch ends some of the four have no batch left. A Transformer is in test_shards.py.
    """
    typed = [*words(tiny, "rnn"), *EXACT, "train.max_steps=4", "schedule=constant"]
    typed += ["train.evaluate_every=2", "train.log_every=1"]
    folder = forked.folder / "shared"
    folder.mkdir()
    for size in (1, 4):
        run = folder / str(size)
        update = f"train.accumulate={4 // size}"
        answer = forked.nmt("train", *typed, update, f"hydra.run.dir={run}", size=size)
        assert answer.code == 0, answer.err
        assert answer.err.count("train pairs") == answer.err.count("run folder") == 1
        assert result(run)["processes"] == size
    return folder


def test_several_processes_learn_what_one_does_from_the_same_updates(shared):
    alone, together = (metrics(shared / size) for size in "14")
    assert max(line.get("train/epoch", 0) for line in alone) > 1
    assert result(shared / "1")["tokens"] == result(shared / "4")["tokens"]
    assert_close(together, alone)


def assert_close(found: list[dict[str, float]], wanted: list[dict[str, float]]) -> None:
    """Losses and gradients are the same but for the order in which float32 numbers are added."""
    for one, other in zip(wanted, found, strict=True):
        assert other == pytest.approx(one, rel=1e-3, abs=1e-5)
        for name in one.keys() & {"train/loss", "train/grad_norm", "dev/loss"}:
            assert other[name] == pytest.approx(one[name], rel=2e-5)


def test_a_run_goes_on_with_another_number_of_processes(shared, forked):
    """Two processes resume a run of four, from the checkpoint of the second update.

    In test_shards.py one process resumes a run of two, and two resume a run of one.
    """
    run = forked.folder / "fewer"
    shutil.copytree(shared / "4", run)
    last = max((run / "checkpoints").glob("step-*"))
    shutil.rmtree(last)
    for name in ("result.json", "model.safetensors"):
        (run / name).unlink()

    answer = forked.nmt("train", f"resume={run}", "train.accumulate=2", size=2)

    assert answer.code == 0, answer.err
    assert "resuming at step 2" in answer.err
    assert result(run)["processes"] == 2
    assert_close(metrics(run), metrics(shared / "1"))


@pytest.mark.skipif(not ALL, reason="test_shards.py has it, with divided models; make test-all")
def test_two_processes_that_one_signal_stops_go_on_as_if_nothing_had_happened(forked, tiny):
    typed = [*words(tiny, "transformer"), "train.max_steps=9"]
    whole, run = forked.folder / "two", forked.folder / "stopped"
    answer = forked.nmt("train", *typed, f"hydra.run.dir={whole}", size=2)
    assert answer.code == 0, answer.err
    how = {"send": signal.SIGTERM, "once": run / "checkpoints"}
    answer = forked.nmt("train", *typed, f"hydra.run.dir={run}", size=2, **how)
    assert answer.code == 0, answer.err
    assert answer.err.count("to resume: nmt train resume=") == 1
    assert not (run / "result.json").exists()

    answer = forked.nmt("train", f"resume={run}", size=2)

    assert answer.code == 0, answer.err
    assert_equal(run, whole)


def test_mistakes_are_told_and_end_all(forked, tiny):
    """By every process, since each might be alone with it; nothing hangs, nothing is left."""
    for word, told in {
        "train.split_batches=true": "train.split_batches=true: with several processes",
        "device=cuda:1": "device=cuda:1: several processes use one GPU each",
        "attention=nope": "attention",
    }.items():
        answer = forked.nmt("train", *tiny, word, "hydra.run.dir=mistaken", size=2)
        assert answer.code == 1
        assert f"nmt: {told}" in answer.err or "nmt: Could not find 'attention/nope'" in answer.err
        assert "nmt (process 2): " in answer.err
        assert "Traceback" not in answer.err
        assert not (forked.folder / "mistaken").exists()
    answer = forked.nmt("train", "-m", *tiny, "seed=1,2", "hydra.sweep.dir=swept", size=2)
    assert "a sweep (-m) runs in one process" in answer.err


def torchrun(*words: object, folder: Path) -> subprocess.Popen[str]:
    """Begin what the documentation says to type."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.Popen(
        [*launcher, "--nproc-per-node=2", "-m", "nmt", *map(str, words)],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_torchrun_trains_and_ends_where_a_process_dies(tiny, tmp_path):
    """The other process does not wait for ever for the one that was killed; a run can go on."""
    endless = [*tiny, "train.max_steps=100000", "train.evaluate_every=2"]
    run = tmp_path / "run"
    launched = torchrun("train", *endless, f"hydra.run.dir={run}", folder=tmp_path)
    found: list[int] = []
    until = time.monotonic() + 100
    while len(found) < 2 or not any(run.glob("checkpoints/*/state.json")):
        assert time.monotonic() < until
        assert launched.poll() is None, launched.communicate()[1]
        listed = Path(f"/proc/{launched.pid}/task/{launched.pid}/children").read_text()
        found = [int(number) for number in listed.split()]
        time.sleep(0.1)
    os.kill(found[1], signal.SIGKILL)

    told = launched.communicate(timeout=100)[1]

    assert launched.returncode != 0
    assert "SIGKILL" in told or "-9" in told
    assert not (run / "result.json").exists()
    reached = checkpoints(run)[-1].position.step
    answer = nmt("train", f"resume={run}", f"train.max_steps={reached + 1}")
    assert answer.code == 0, answer.err
    assert result(run)["steps"] == reached + 1
