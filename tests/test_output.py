"""Where commands write: never over a run, the text they read, or the results of another text."""

import json
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest
from command import files, mistake, nmt

from nmt.commands.output import EVENT_FILES, OWN
from nmt.runs.files import lines_of


def test_what_a_training_leaves_is_its_own(trained):
    left = {path.name for path in trained.iterdir()} - {"evaluation", "alignment"}
    assert {name for name in left if not fnmatch(name, EVENT_FILES)} <= OWN


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "output={run}"],
        ["evaluate", "output={run}/checkpoints"],
        ["evaluate", "output=link"],
        ["evaluate", "output={run}/heatmaps/mine/deeper"],
        ["align", "output={run}"],
        ["align", "output={run}/evaluation/../tokenizer"],
        ["translate", "output={run}/model.safetensors"],
        ["translate", "output=link/result.json"],
        ["translate", "output={run}/heatmaps/new.txt"],
        ["translate", "output={run}/ends"],
        ["translate", "weights={run}/weights.arrow", "links={run}/metrics.jsonl"],
        ["translate", "heatmap={run}"],
        ["translate", "heatmap={run}/heatmaps"],
        ["compare", "{run}", "output={run}"],
        ["compare", "{run}", "output={run}/tensorboard"],
        ["bench", "bench.updates=1", "output={run}/config.yaml"],
    ],
)
def test_nothing_is_written_over_a_run(words, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Path(shutil.copytree(trained, "run"))
    Path("link").symlink_to(run)
    before = {name: (run / name).stat().st_mtime_ns for name in files(run)}
    command, *rest = (word.format(run=run) for word in words)
    which = [f"run={run}"] if command in ("evaluate", "align", "translate") else []

    message = mistake(nmt(command, *which, *rest, stdin=b"eins\n"))

    assert "run" in message
    assert "lost" in message
    assert {name: (run / name).stat().st_mtime_ns for name in files(run)} == before


def test_a_new_file_may_lie_in_a_run_folder(trained, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))

    for name in ("news.en", "evaluation/news.en"):
        (run / name).parent.mkdir(exist_ok=True)
        answer = nmt("translate", f"run={run}", f"output={run / name}", stdin=b"eins\n")
        assert answer.code == 0, answer.err


def test_the_text_that_is_read_is_not_written_over(trained, numbers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for side, name in (("de", "source"), ("en", "target")):
        shutil.copy(numbers / f"dev.{side}", f"{name}.txt")
        shutil.copy(numbers / f"dev.{side}", f"{name}s.txt")
        shutil.copy(numbers / f"dev.{side}", "losses.txt")
    before = {name: Path(name).read_text() for name in files(tmp_path)}
    run = f"run={trained}"
    data = ["data=files", "data.source=de", "data.target=en"]

    for words in (
        ["translate", run, "input=source.txt", "output=./source.txt"],
        ["align", run, "source=source.txt", "target=target.txt", "output=."],
        ["translate", run, "input=source.txt", "links=source.txt"],
        ["score", run, "source=source.txt", "target=target.txt", "output=target.txt"],
        ["evaluate", run, *data, "data.test=[sources.txt,targets.txt]", "output=."],
        ["evaluate", run, *data, "data.test=[source.txt,losses.txt]", "output=."],
    ):
        assert "is read, and would be lost" in mistake(nmt(*words))
    assert {name: Path(name).read_text() for name in files(tmp_path)} == before


def halves(numbers: Path, folder: Path) -> list[list[Path]]:
    """Three texts of two lines each, source and target: news.1.de, news.1.en, news.2.de …"""
    sides = [lines_of(numbers / f"dev.{side}") for side in ("de", "en")]
    found = []
    for number in range(3):
        pair = [folder / f"news.{number}.{side}" for side in ("de", "en")]
        for path, lines in zip(pair, sides, strict=True):
            path.write_text("".join(f"{one}\n" for one in lines[2 * number : 2 * number + 2]))
        found.append(pair)
    return found


def test_a_link_and_a_pipe_stay_what_they_are(trained, tmp_path):
    folder, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    folder.mkdir()
    (folder / "text").write_text("old\n")
    link.symlink_to("real/text")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    for place in (link, pipe):
        answer = nmt("translate", f"run={trained}", f"output={place}", stdin=b"eins\n")
        assert answer.code == 0, answer.err

    assert link.is_symlink()
    assert (folder / "text").read_text() == os.read(reader, 1000).decode() != "old\n"
    assert pipe.is_fifo()
    os.close(reader)
    assert files(tmp_path) == ["link", "pipe", "real", "real/text"]


def test_results_of_another_text_are_kept(trained, numbers, tmp_path):
    """Evaluated and aligned: three texts, two of them in files of one name."""
    clean = shutil.ignore_patterns("evaluation", "alignment")
    run = Path(shutil.copytree(trained, tmp_path / "run", ignore=clean))
    first, second, third = halves(numbers, tmp_path)
    (tmp_path / "other").mkdir()
    third = [path.rename(tmp_path / "other" / second[i].name) for i, path in enumerate(third)]
    data = ["data=files", "data.source=de", "data.target=en", "heatmaps=0"]

    def evaluate(source: Path, target: Path) -> None:
        words = [f"run={run}", *data, f"data.test=[{source},{target}]"]
        assert nmt("evaluate", *words).code == 0

    def align(*words: str) -> None:
        answer = nmt("align", f"run={run}", "heatmaps=0", *words)
        assert answer.code == 0, answer.err

    for source, target in (first, second, third, first, third):
        evaluate(source, target)
        align(f"source={source}", f"target={target}")
    for source, beam in ((second[0], 1), (third[0], 1), (second[0], 2)):
        align(f"source={source}", "hypothesis=true", f"decode.beam={beam}")

    kept = {path.name: path for path in (run / "evaluation").iterdir()}
    *named, made = sorted(kept)
    assert named == ["files-test", "files-test-news.1.de"]
    assert made.startswith("files-test-news.1.de-")
    for name, (source, target) in zip([*named, made], (first, second, third), strict=True):
        assert (kept[name] / "sources.txt").read_text() == source.read_text()
        result = json.loads((kept[name] / "result.json").read_text())
        assert result["data"]["test"] == [str(source), str(target)]
    aligned = sorted(path.name for path in (run / "alignment").iterdir())
    assert [name for name in aligned if "hypothesis" not in name][:2] == ["news", "news.1.de"]
    assert len(aligned) == 5
    assert {"news-hypothesis", "news.1.de-hypothesis"} <= set(aligned)
