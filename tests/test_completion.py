"""The Tab key: commands, choices, keys and runs; and the scripts of the shells that ask."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import nmt

from nmt.commands.completion import SCRIPTS, completions, keys
from nmt.commands.help import COMMANDS


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("nmt tra", ["train", "translate"]),
        ("nmt train attention=luong_g", ["attention=luong_general"]),
        ("nmt train -m attention=none,luong_d", ["attention=none,luong_dot"]),
        ("nmt train encoder.window=local_", ["encoder.window=local_m", "encoder.window=local_p"]),
        ("nmt train model.encoder_w", ["model.encoder_width="]),
        ("nmt train train.evaluate", ["train.evaluate_every="]),
        ("nmt train train.compile=", ["train.compile=false", "train.compile=true"]),
        ("nmt train data=multi", ["data=multi30k"]),
        ("nmt show normalize=sp", ["normalize=sparsemax"]),
        ("nmt show normal", ["normalize", "normalize="]),
        ("nmt translate run=s", ["run=sample"]),
        ("nmt translate decode.bea", ["decode.beam="]),
        ("nmt align threshold=", []),
        ("nmt study golden launch", []),
        ("nmt completion ", ["bash", "fish", "zsh"]),
        ("nmt nothing ", []),
    ],
)
def test_words_that_complete_a_line(line, found):
    assert completions(line) == found


def test_runs_are_offered_the_newest_first_below_the_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a/1", "b")):
        Path("runs", name, "heatmaps").mkdir(parents=True)
        Path("runs", name, "config.yaml").touch()
        os.utime(Path("runs", name, "config.yaml"), (number, number))

    assert completions("nmt train resume=") == [
        *("resume=last", "resume=runs/a/1", "resume=runs/b", "resume=sample")
    ]
    assert completions("nmt compare r") == ["runs/a/1", "runs/b"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_keys_that_are_names(command):
    assert all(part.isidentifier() for key in keys(command) for part in key.split("."))


def run_shell(shell: str, line: str) -> list[str]:
    """What a shell is told by its script for a line, by the real command."""
    called = f'nmt() {{ {sys.executable} -m nmt "$@"; }}'
    ends = f"""{called}
{SCRIPTS[shell]}
compopt() {{ :; }}
COMP_LINE='{line}' COMP_POINT={len(line)}
_nmt
printf '%s\\n' "${{COMPREPLY[@]}}\""""
    return subprocess.run(
        [shell, "-c", ends], check=True, capture_output=True, text=True
    ).stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_replaces_what_is_behind_the_last_equals_sign():
    assert run_shell("bash", "nmt train attention=luong_d") == ["luong_dot"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_one_that_its_shell_reads(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run([shell, "-n", "-c", SCRIPTS[shell]], check=True)


def test_the_command_prints_scripts_and_asks_for_a_shell():
    assert nmt("completion", "zsh").out == SCRIPTS["zsh"] + "\n"
    assert "zshrc" in nmt("completion", "--help").out
    answer = nmt("completion", "tcsh")
    assert answer.code == 2
    assert "bash, zsh or fish" in answer.err
