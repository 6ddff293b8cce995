"""What is shown while training runs: a bar that stays in its line, or lines."""

import io

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


def test_long_lines_stay_whole_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)

    console().print("word " * 100)

    assert stream.getvalue().count("\n") == 1


def test_clock():
    assert [clock(seconds) for seconds in (-1, 9, 70, 3723)] == ["0:00", "0:09", "1:10", "1:02:03"]
