"""One training a folder, and room on its disk."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.training.room import checkpoint_room, in_bytes, only_one

Usage = namedtuple("Usage", "total used free")
HOLD = """
import sys, pathlib
from nmt.training.room import only_one
with only_one(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_has_died(tmp_path):
    run = tmp_path / "run"
    words = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"another process is training in {run}"), only_one(run):
            pass
        process.kill()
        process.wait()
    with only_one(run):
        pass


def test_room_for_checkpoints_is_told_and_required(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9e9, 0, 5_000_000))
    config = Train(max_steps=1, keep_last=2, keep_best=1)
    room = "checkpoints need up to 4.0 MB; 5.0 MB are free"
    assert checkpoint_room(tmp_path / "checkpoints", 1_000_000, config) == room
    with pytest.raises(UserError, match=r"5\.0 MB free, but 4 checkpoints need 8\.0 MB"):
        checkpoint_room(tmp_path / "checkpoints", 2_000_000, config)


def test_what_lies_there_already_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9e9, 0, 1000))
    folder = tmp_path / "checkpoints" / "step-1"
    folder.mkdir(parents=True)
    (folder / "model").write_bytes(bytes(3000))
    config = Train(max_steps=1, keep_last=2, keep_best=1)
    checkpoint_room(tmp_path / "checkpoints", 1000, config)
    with pytest.raises(UserError):
        checkpoint_room(tmp_path / "checkpoints", 1001, config)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.2 kB"), (5e15, "5000.0 TB")]
)
def test_bytes_are_written_for_people(number, text):
    assert in_bytes(number) == text
