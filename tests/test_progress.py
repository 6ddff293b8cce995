"""What is shown while training runs: a bar that stays in its line, or lines."""

import io

from command import nmt
from rich.console import Console

from nmt.terminal.console import console
from nmt.terminal.progress import Progress, clock

METRICS = {"train/loss": 4.25, "train/lr": 1e-3, "train/tokens_per_s": 12345.6}


def shown(console: Console) -> str:
    with Progress(console) as progress:
        for step in range(1, 8):
            progress.show(step, seconds=step * 10.0, share=step / 10, metrics=METRICS)
            progress.bar.refresh()
        progress.measured(7, {"loss": 3.5, "bleu": 12.25, "chrf": 40.5}, better=True)
        progress.say("[brackets] are text")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_where_there_is_no_terminal():
    lines = shown(Console(file=io.StringIO(), force_terminal=False)).splitlines()

    assert lines[6] == "step 7  loss 4.250  lr 1.00e-03  12,346 tokens/s  1:10  left 0:30"
    assert lines[7:] == [
        "step 7  dev loss 3.500  BLEU 12.25  chrF 40.50  *",
        "[brackets] are text",
    ]


def test_a_bar_that_stays_in_its_line_at_a_terminal():
    terminal = {"TERM": "xterm", "COLUMNS": "80"}

    text = shown(
        Console(file=io.StringIO(), force_terminal=True, soft_wrap=True, _environ=terminal)
    )

    assert "left 0:30" in text
    assert text.count("\n") == 3  # two lines that were said, and the bar's own at the end


def test_a_part_of_a_stage_is_named_in_a_line_only_if_it_takes_long():
    console = Console(file=io.StringIO(), force_terminal=False)
    with Progress(console) as progress:
        progress.late.patience = 0.0
        progress.part("building the model")
        progress.late.timer.join()
        progress.late.patience = 10_000.0
        progress.part("the first update")
        progress.updated(1, seconds=1.0, share=0.1)
        assert progress.late.timer.finished.is_set()  # taken back
        progress.part("the last part")
    assert progress.late.timer.finished.is_set()
    assert isinstance(console.file, io.StringIO)

    assert console.file.getvalue() == "building the model\n"


def test_what_takes_a_while_is_named_before_it_begins():
    console = Console(file=io.StringIO(), force_terminal=False)
    with Progress(console) as progress:
        for step in range(1, 9):
            progress.updated(step, seconds=20.0 + 2 * step, share=step / 10)
        progress.show(8, seconds=36.0, share=0.8, metrics=METRICS)
        progress.updated(9, seconds=60.0, share=0.9)
        for step in (9, 10):
            progress.measuring(step)
            progress.began -= 70
            progress.measured(step, {"loss": 3.5, "bleu": 12.25, "chrf": 40.5}, better=False)
        progress.stage("testing")
    assert isinstance(console.file, io.StringIO)

    assert console.file.getvalue().splitlines() == [
        "step 4  0:28  left 0:42",
        "step 8  loss 4.250  lr 1.00e-03  12,346 tokens/s  0:36  left 0:09",
        "step 9  evaluating on dev",
        "step 9  dev loss 3.500  BLEU 12.25  chrF 40.50",
        "step 10  evaluating on dev, 1:10 the last time",
        "step 10  dev loss 3.500  BLEU 12.25  chrF 40.50",
        "testing",
    ]


def test_the_bar_moves_with_each_update_and_names_what_is_done():
    terminal = {"TERM": "xterm", "COLUMNS": "80"}
    console = Console(
        file=io.StringIO(), force_terminal=True, soft_wrap=True, width=80, _environ=terminal
    )
    with Progress(console) as progress:
        progress.updated(10, seconds=100.0, share=1.0)
        progress.stage("testing")
        assert not progress.bar.finished
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()

    assert "testing" in shown
    assert progress.bar.finished
    assert shown.rpartition("testing")[2].count("step 10  1:40  left 0:00") >= 1


def test_long_lines_stay_whole_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)

    console().print("word " * 100)

    assert stream.getvalue().count("\n") == 1


def test_a_training_says_what_it_does_and_that_its_text_is_ready_the_second_time(tiny, tmp_path):
    prepares = [
        "reading the corpus",
        "cleaning the corpus",
        "training the tokenizer (unigram, 34 pieces) on ",
        "segmenting the corpus into pieces",
    ]
    trains = [
        "starting with new weights, seed=1",
        "step 2  evaluating on dev",
        "step 4  evaluating on dev, 0:0",
        "train.max_steps reached",
        "drawing the attention over 1 references",
        "testing on ",
        "measuring the loss of the tested weights",
        "run folder",
    ]
    for name, told in (("first", [*prepares, *trains]), ("second", trains)):
        run = f"hydra.run.dir={tmp_path / name}"
        words = [*tiny, "train.heatmaps=1", f"cache={tmp_path / 'cache'}", run]
        lines = nmt("train", *words).err.splitlines()
        stages = [line for line in lines if line.startswith((*prepares, *trains))]
        assert all(line.startswith(stage) for line, stage in zip(stages, told, strict=True))


def test_clock():
    assert [clock(seconds) for seconds in (-1, 9, 70, 3723)] == ["0:00", "0:09", "1:10", "1:02:03"]
