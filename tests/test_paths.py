"""Paths with any characters, and `last`, for every command."""

import os
import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from command import mistake, nmt
from hypothesis import given
from hypothesis import strategies as st

from nmt.commands.help import COMMANDS
from nmt.commands.paths import PATHS, for_hydra, with_run
from nmt.config.grammar import parsed, quoted
from nmt.config.schema import Align, BenchRoot, Compare, Evaluate, StudyRoot, Translate
from nmt.data.multi30k import Multi30k

AWKWARD = "Übung, 日本=#1 (it's) & [b]\\"  # a backslash at the end


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoted_text_is_read_as_it_was(text):
    assert parsed(f"a.b={quoted(text)}") == ("a.b", text)


@pytest.mark.parametrize("key", sorted(PATHS))
def test_a_path_may_have_any_characters(key):
    (word,) = for_hydra([f"{key}={AWKWARD}"])

    assert parsed(word) == (key, AWKWARD)


def test_what_is_no_single_path_is_left_to_hydra():
    words = [
        "input=null",
        "input=",
        "data.train=[a,b]",
        "data.dir=[a",
        "output='it is'",
        "x=y",
        "z",
    ]

    assert for_hydra(words) == words
    assert for_hydra(["-m", "data.dir=a,b", "data.dir=a=b"]) == [
        *("-m", "data.dir=a,b"),
        "data.dir='a=b'",
    ]


def test_a_tilde_is_the_folder_of_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of/me")

    assert for_hydra(["run=~/runs/a"]) == ["run='/home/of/me/runs/a'"]


def test_every_key_that_holds_a_path_is_known():
    """Those whose help asks for a file, folder or run, and the texts of the commands' own keys."""
    shown = {
        key
        for text in COMMANDS.values()
        for key in re.findall(r"([a-z][\w.]*)=(?:FILE|FOLDER|RUN)", text)
    }
    own = {
        one.name
        for schema in (Align, BenchRoot, Compare, Evaluate, StudyRoot, Translate)
        for one in fields(schema)
        if one.type == str | None
    }
    corpus = {f"data.{one.name}" for one in fields(Multi30k) if one.type == str | None}

    assert shown - {"resume", "from"} | own - {"baseline", "part", "mean", "to"} | corpus <= PATHS
    assert "guide.path" in PATHS


@pytest.mark.usefixtures("without_plots")
def test_commands_take_awkward_paths(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Path(shutil.copytree(trained, AWKWARD))
    (run / "in=1").write_text("eins\n")

    answer = nmt("translate", f"run={run}", f"input={run}/in=1", "output=aus (1)")

    assert answer.code == 0, answer.err
    assert len(Path("aus (1)").read_text().splitlines()) == 1
    told = mistake(nmt("train", f"from={run}", f"hydra.run.dir={run}", "seed=2"))
    assert told.startswith(f"{run} already has a run")
    answer = nmt("train", f"resume={run}", f"cache={run}/cache", f"data.dev=['{run.parent}/#','ä']")
    assert (answer.code, "is finished" in answer.err) == (0, True), answer.err
    answer = nmt("compare", run, f"output={AWKWARD}-report", "num_sentences=0")
    assert answer.code == 0, answer.err
    assert Path(f"{AWKWARD}-report", "comparison.md").is_file()


def test_a_run_folder_can_be_typed_alone(tmp_path, monkeypatch):
    assert with_run("heads", ["split=dev", "runs/a b"]) == ["split=dev", "run=runs/a b"]
    assert with_run("heads", ["run=last", "more"]) == ["run=last", "more"]  # refused later
    assert with_run("translate", ["one", "two"]) == ["one", "two"]
    assert with_run("train", ["last"]) == ["last"]
    monkeypatch.chdir(tmp_path)
    swept = "grid/attention=none,seed=1"
    assert with_run("heads", [swept]) == [swept]
    Path(swept).mkdir(parents=True)
    assert with_run("heads", [swept]) == [f"run={swept}"]
    assert mistake(nmt("heads", "missing")).startswith("missing is not a run folder")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("data.train=[Übung/a.de,b.en]", """"data.train=['Übung/a.de','b.en']\""""),
        ("data.train=['a','b=c',d=e]", """"data.train=['a','b=c','d=e']\""""),
        ("data.source=ä", """"data.source='ä'\""""),
        (
            "data.train=ä,b",
            """"data.train='ä,b'" (one value) or "data.train=['ä','b']" (a list) or """
            """"data.train='ä','b'" (a run for each, with -m)""",
        ),
        ("data.train=[$ä]", """'data.train=['"'"'$ä'"'"']'"""),
    ],
)
def test_a_value_that_needs_quotes_is_shown_with_them(word, told, trained):
    assert mistake(nmt("train", word)) == f"{word}: type it with quotes: {told}\n"
    assert told in mistake(nmt("train", f"from={trained}", word))


@pytest.mark.usefixtures("without_plots")
def test_last_is_the_run_in_which_training_began_last(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = mistake(nmt("translate", "run=last"))
    assert told.startswith("run=last: no run folder below ")
    for number, name in enumerate(("runs/a/seed=10", "runs/sweep/now/seed=9", "runs/b/seed=2")):
        shutil.copytree(trained, name)
        os.utime(f"{name}/config.yaml", (number, number))
    os.utime("runs/sweep/now/seed=9/config.yaml", (5, 5))
    Path("runs/z").mkdir()
    Path("runs/z/failure.txt").write_text("it never began")
    run = "runs/sweep/now/seed=9"

    for words in (
        ["translate", "run=last"],
        ["evaluate", "run=last", "heatmaps=0", "output=scores"],
        ["align", "run=last", "heatmaps=0", "output=links"],
        ["train", "resume=last"],
    ):
        answer = nmt(*words)
        assert answer.code == 0, answer.err
        assert answer.err.startswith(f"nmt: {words[1]}: {run}\n")
    message = mistake(nmt("train", "from=last", f"hydra.run.dir={run}"))
    assert message.startswith(f"from=last: {run}\n")
    answer = nmt("align", f"run={trained}", "reverse=last")
    assert f"reverse={run} translates de to en" in answer.err
    answer = nmt("compare", "last", "num_sentences=0")
    assert answer.err.startswith("nmt: last: runs/sweep/now\n")
    assert Path("runs/sweep/now/comparison").is_dir()

    Path("last").mkdir()
    assert "last is not a run folder" in mistake(nmt("translate", "run=last"))
