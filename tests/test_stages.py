"""No command is silent for long: what takes time is named, and how far it is."""

import io
from itertools import count

import pytest
from command import nmt
from rich.console import Console

from nmt.stages import counted, heard, listening, part, stage
from nmt.terminal import progress
from nmt.terminal.progress import LateLines, Lines, Moving, Progress, showing


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def stage(self, text: str) -> None:
        self.told.append(text)

    def part(self, text: str) -> None:
        self.told.append(f"({text})")

    def count(self, done: int, total: int | None) -> None:
        self.told.append((done, total))


def test_stages_are_told_to_who_listens_and_to_nobody_else():
    listener = Heard()
    stage("before")
    with listening(listener):
        stage("reading")
        assert list(counted(["ab", "c"], 3, len)) == ["ab", "c"]
        part("drawing")
        assert list(counted("xy")) == ["x", "y"]
    stage("after")

    assert listener.told == ["reading", (2, 3), (3, 3), "(drawing)", (1, None), (2, None)]
    assert not heard()


def test_plain_lines_say_how_far_a_stage_is_now_and_then():
    said: list[str] = []
    clock = count(0, 4)  # seconds
    lines = Lines(said.append, lambda: next(clock))
    lines.stage("translating")
    for done in range(1, 8):
        lines.count(done, 1000)

    assert said == ["translating  3/1,000", "translating  6/1,000"]


def test_a_quick_stage_is_not_told_and_a_slow_one_is():
    said: list[str] = []
    with LateLines(said.append, patience=1000) as lines:
        lines.stage("quick")
        lines.stage("quick too")
    with LateLines(said.append, patience=0) as lines:
        lines.stage("slow")
        assert lines.late.timer
        lines.late.timer.join()

    assert said == ["slow"]


def terminal() -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        soft_wrap=True,
        _environ={"TERM": "xterm", "COLUMNS": "80"},
    )


def test_at_a_terminal_the_line_moves_and_goes():
    console = terminal()
    with Moving(console) as moving:
        moving.stage("translating [test]")
        moving.count(80, 200)
        moving.status._live.refresh()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert "translating [test]  80/200" in text
    assert text.endswith("\x1b[1A\x1b[2K")


def test_the_bar_of_a_training_shows_its_stages_and_goes_if_nothing_was_trained():
    console = terminal()
    with Progress(console) as shown, listening(shown):
        stage("reading the corpus")
        part("cleaning")
        list(counted([1, 2], 2))
        shown.bar.refresh()
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert "reading the corpus" in text
    assert "cleaning  2/2" in text
    assert "cleaning" not in text.rpartition("\x1b[2K")[2]


@pytest.fixture
def impatient(monkeypatch):
    """Have every stage of a command told."""
    told: list[str] = []

    class Now(LateLines):
        def stage(self, text: str) -> None:
            told.append(text)

        part = stage

        def count(self, done: int, total: int | None) -> None:
            told.append(f"{done}/{total}")

    monkeypatch.setattr(progress, "LateLines", Now)
    return told


def test_inner_stages_are_shown_by_the_outer_listener(impatient):
    with showing("outer"), showing("inner"):
        list(counted("a", 1))

    assert impatient == ["outer", "inner", "1/1"]


@pytest.mark.usefixtures("without_plots", "blank_pictures")
@pytest.mark.parametrize(
    ("words", "stages"),
    [
        (
            ["evaluate", "heatmaps=1"],
            ["reading the corpus", "opening the model", "translating", "drawing", "writing expl"],
        ),
        (["align", "heatmaps=1"], ["reading the text", "aligning", "drawing", "writing expl"]),
        (["explore"], ["reading"]),
        (
            ["compare"],
            ["reading the runs", "scoring", "testing", "boot", "drawing", "writing"],
        ),
        (
            ["translate"],
            [
                "opening the model",
                "translating from line 1 on",
                "drawing",
                "writing att",
                "linking",
            ],
        ),
    ],
)
def test_what_takes_time_in_a_command_is_named(words, stages, trained, tmp_path, impatient):
    command, *others = words
    run = [str(trained)] if command in ("compare", "explore") else [f"run={trained}"]
    if command == "translate":
        (tmp_path / "text").write_text("ein Haus\n")
        places = {"input": "text", "heatmap": "pictures", "weights": "w.arrow", "links": "links"}
        others = [f"{key}={tmp_path / name}" for key, name in places.items()]
        output = tmp_path / "out"
    else:
        output = tmp_path / ("page.html" if command == "explore" else "out")
    answer = nmt(command, *run, *others, f"output={output}")

    assert answer.code == 0, answer.err
    order = [next(i for i, told in enumerate(impatient) if told.startswith(s)) for s in stages]
    assert order == sorted(order)
