"""Blocks that several processes work on come back in order, and nothing is left of them."""

import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
from blocks import end, process_of
from toy_text import CONFIG, text

from nmt.data import parallel
from nmt.data.clean import Clean, Judge, clean_text
from nmt.data.corpus import pairs
from nmt.data.parallel import in_order
from nmt.data.prepare import encode, train_tokenizers
from nmt.data.synthetic import TrainText
from nmt.data.text import Text
from nmt.errors import UserError

WAITS = """
import sys, time
from pathlib import Path
from nmt.data.parallel import in_order
from waiting import wait

if __name__ == "__main__":
    print("\\n".join(map(str, in_order(wait, [Path(sys.argv[1])] * 9))))
"""
WAITING = """
import os, time

def wait(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(2)
"""


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEW", 1)
    monkeypatch.setattr(parallel, "cores", lambda: 2)


def given_blocks(number: int) -> list[Text]:
    return [(text(70, seed), text(70, seed + 100)) for seed in range(number)]


def test_results_come_in_order_from_other_processes(two_processes: None) -> None:
    found = list(in_order(process_of, range(300)))
    assert [number for number, _ in found] == list(range(300))
    processes = {process for _, process in found}
    assert processes
    assert os.getpid() not in processes


def test_few_blocks_stay_in_this_process() -> None:
    assert {process for _, process in in_order(process_of, range(5))} == {os.getpid()}


def test_no_more_than_some_blocks_are_read_ahead(two_processes: None) -> None:
    taken: list[int] = []
    results = in_order(process_of, (taken.append(n) or n for n in range(1000)))
    next(results)
    results.close()
    assert len(taken) < 20


def test_a_corpus_is_the_same_bytes_whatever_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [*given_blocks(4), *given_blocks(3)]

    def prepared(name: str) -> tuple[list[int], dict[str, int], bytes]:
        judge = Judge.of(Clean(), given[:1])
        kept, report = clean_text(judge, in_order(judge, given))
        train = TrainText(pairs(*(list(chain(*side)) for side in zip(*given, strict=True))))
        source, target = train_tokenizers(train, kept, CONFIG, tmp_path)
        encode(given, source, target, tmp_path / name)
        return kept.tolist(), report.dropped, (tmp_path / name).read_bytes()

    alone = prepared("one")
    assert alone[1]["duplicate"] == 140
    assert alone[1]["also in dev or test"] == 140
    monkeypatch.setattr(parallel, "FEW", 1)
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    assert prepared("two") == alone


def test_a_process_that_is_killed_is_told(two_processes: None) -> None:
    with pytest.raises(UserError, match="was killed, probably for lack of memory"):
        list(in_order(end, range(50)))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / "waiting.py").write_text(WAITING)
    busy = tmp_path / "busy"
    busy.mkdir()
    command = [sys.executable, str(tmp_path / "waits.py"), str(busy)]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    children: list[int] = []
    while not children:
        time.sleep(0.05)
        assert parent.poll() is None
        children = [int(path.name) for path in busy.iterdir()]
    parent.send_signal(how)
    parent.wait()
    while any(map(alive, children)):
        time.sleep(0.05)


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
