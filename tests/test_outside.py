"""What people wrote is shown and never obeyed: by the terminal, in reports, in TensorBoard."""

import io
import json
import logging
import re
import shutil
import warnings
from pathlib import Path

import pytest
import yaml
from command import mistake, nmt
from comparison_runs import NONE, RESULT, configured, text, write_run
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

from nmt.terminal.console import PlainConsole
from nmt.terminal.table import SAMPLES, markdown, plain, sample_rows

with warnings.catch_warnings():  # of what TensorBoard brings along
    warnings.simplefilter("ignore")
    from tensorboard.plugin_util import markdown_to_safe_html

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x85\u2028!"
OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # a line may end


def obeyed(text: str) -> list[str]:
    return OBEYED.findall(text)


def test_a_comparison_shows_what_is_in_foreign_runs(tmp_path):
    runs = tmp_path / "runs"
    write_run(runs / "a", configured(), RESULT, [f"x{ESCAPE}y", *text(0)[1:]])
    write_run(runs / "b", configured(NONE, model__dropout=ESCAPE), {**RESULT, "device": ESCAPE})
    write_run(runs / f"c{ESCAPE}", None)
    (runs / f"c{ESCAPE}" / "failure.txt").write_text(ESCAPE)
    write_run(runs / "d", configured(seed=3), {**RESULT, "split": 3, "signatures": {ESCAPE: "x"}})

    answer = nmt("compare", runs, f"output={tmp_path / 'report'}", "num_sentences=0")

    assert answer.code == 0, answer.err
    assert not obeyed(answer.out + answer.err)
    assert "owned" in answer.out
    for name in ("comparison.md", "comparison.csv", "comparison.tex", "index.html"):
        content = (tmp_path / "report" / name).read_text()
        assert content.count("owned") >= 2
        assert not obeyed(content), name
    for path in (tmp_path / "report" / "figures").glob("*.svg"):
        assert not obeyed(path.read_text()), path


def test_messages_show_what_is_in_files_and_their_names(trained, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text(json.dumps({ESCAPE: "x", "b": "y"}) + "\n")
    Path("a.csv").write_text(f"id,{ESCAPE.split('!')[0]}\nx,y\n".replace("\r", ""))
    data = ["data=files", "data.source=de", "data.target=en", "data.source_column=z"]
    told = [
        mistake(nmt("train", *data, "data.train=[a.jsonl]")),
        mistake(nmt("train", *data, "data.train=[a.csv]")),
        mistake(nmt("translate", f"run={ESCAPE}")),
        mistake(nmt("train", *tiny, f"{ESCAPE}=3")),
    ]
    foreign = Path(shutil.copytree(trained, "foreign"))
    config = yaml.safe_load((foreign / "config.yaml").read_text())
    (foreign / "config.yaml").write_text(yaml.safe_dump({**config, ESCAPE: 3}))
    told.append(mistake(nmt("evaluate", f"run={foreign}")))
    config["data"]["source"] = ESCAPE
    (foreign / "config.yaml").write_text(yaml.safe_dump(config))
    told.append(mistake(nmt("evaluate", f"run={foreign}", "data=bible")))

    for message in told:
        assert "owned" in message
        assert not obeyed(message), message


def test_a_warning_shows_what_is_in_files(trained, tmp_path, caplog):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "model.safetensors").unlink()
    for sums in run.glob("checkpoints/*/SHA256SUMS"):
        sums.write_text(f"0  {ESCAPE}\n")

    mistake(nmt("translate", f"run={run}"))

    assert logging.lastResort
    shown = "\n".join(map(logging.lastResort.format, caplog.records))
    assert "owned" in shown
    assert not obeyed(shown)


def test_the_codes_of_the_console_itself_are_written():
    written = io.StringIO()
    with Progress(console=PlainConsole(file=written, force_terminal=True, width=40)) as bar:
        bar.add_task("one[bold] two")
        bar.console.print(f"[red]{ESCAPE}", f"[bold]{ESCAPE}\nline")
    plainly, codes = io.StringIO(), re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
    Console(file=plainly, force_terminal=True, width=40).print("[red]x")

    assert codes.search(plainly.getvalue())
    assert codes.search(written.getvalue())
    assert set(obeyed(codes.sub("", written.getvalue()))) <= {"\r"}  # before the bar is drawn anew
    assert "\n" in written.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        "![x](http://example.com/a.png)",
        "<img src=http://example.com/a.png>",
        "[x](http://example.com) <http://example.com>",
        "a\n\n![x][y]\n\n[y]: http://example.com/a.png",
        "\\![x](http://example.com) \\\\![x](y)",
        "_a_ *b* `c` **d** snake_case &lt; &#33; AT&T p < 0.05 x | y \\| z",
    ],
)
def test_markdown_shows_text_and_loads_nothing(line):
    table = markdown(SAMPLES, sample_rows([1], [line], ["x"], [line]))
    html = markdown_to_safe_html(table)

    assert not re.search(r"<(img|a|em|strong|code)\b", html)
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert len(cells) == 9
    shown = cells[2].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert shown == line.replace("\n", " ")
    elsewhere = Console(file=io.StringIO(), width=200)  # CommonMark, as GitHub reads it
    elsewhere.print(Markdown(plain(line)))
    assert elsewhere.file.getvalue().split() == line.split()  # type: ignore[attr-defined]
