"""A run folder explains itself: what lies in it, and what its files say."""

import json
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from command import files, mistake, nmt
from local_corpora import shorten_bible

from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.report.logger import read_metrics
from nmt.run import open_run
from nmt.runs.folder import EVENT_FILES, read_config
from nmt.runs.lifting import FORMAT

SCORES = ("bleu", "chrf", "ter", "bleu_tok_lc")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Iterator[Path]:
    """A cache of this file, beside a Bible of two books."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        shorten_bible(patch, folder)
        yield folder


@pytest.fixture(scope="module")
def smoke(cache, tmp_path_factory) -> Path:
    """The run folder of `nmt train experiment=smoke`, on fewer sentences."""
    run = tmp_path_factory.mktemp("smoke") / "run"
    short = ["data.dev_chapters=1", "data.test_chapters=1", "train.heatmaps=1"]
    short += ["tokenizer.max_lines=2000", "clean.max_pieces=16"]
    answer = nmt("train", "experiment=smoke", *short, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run


def test_what_lies_in_a_run_folder(smoke):
    events = {path.name for path in smoke.glob(EVENT_FILES)}
    assert len(events) == 1
    assert sorted({path.name for path in smoke.iterdir()} - events) == [
        *("checkpoints", "config.yaml", "dropped.tsv", "explorer.html", "frequencies.tsv"),
        *("heatmaps", "hypotheses.txt", "lock"),
        *("losses.txt", "metrics.jsonl", "model.safetensors", "references.txt", "result.json"),
        *("sources.txt", "tokenizer", "words"),
    ]
    assert files(smoke / "tokenizer") == ["source.model", "target.model"]
    steps = [name for name in files(smoke / "checkpoints") if "/" not in name]
    assert steps == ["step-0000010", "step-0000020"]
    places = [name for name in files(smoke / "heatmaps") if "/" not in name]
    assert places == ["reference", "step-0000010", "step-0000020"]


def test_the_result_says_what_was_measured_how_and_with_what(smoke):
    result = json.loads((smoke / "result.json").read_text())

    assert all(isinstance(result[name], float) for name in SCORES)
    assert set(result["signatures"]) == set(SCORES)
    assert all("version:" in signature for signature in result["signatures"].values())
    assert result["parameters"] > 0
    assert result["seconds"] > 0
    assert result["tokens_per_s"] > 0
    assert 2**20 < result["peak_memory_bytes"] < 2**36
    attention = {"entropy", "uniform", "largest", "zeros", "end", "mark", "no_key"}
    assert result["tested_weights"].keys() == {"loss", "perplexity"} | attention
    logged = [json.loads(line) for line in (smoke / "metrics.jsonl").read_text().splitlines()]
    bleu = max(line["dev/bleu"] for line in logged if "dev/bleu" in line)
    assert result["best_dev"] == {"bleu": bleu}
    assert result["versions"]["torch"] == version("torch")
    assert result["seed"] == 1
    assert result["commit"] is None or re.match(r"[0-9a-f]{7,}", result["commit"])
    for name in ("hypotheses.txt", "sources.txt", "references.txt", "losses.txt"):
        assert result["sentences"] == len((smoke / name).read_bytes().split(b"\n")) - 1


def test_the_configuration_is_resolved_and_names_no_cache(smoke, cache):
    text = (smoke / "config.yaml").read_text()

    assert "${" not in text
    assert str(cache) not in text
    cfg = yaml.safe_load(text)
    assert cfg["cache"] is None
    assert cfg["model"]["attention"]["_target_"] == "nmt.attention.cosine.Cosine"
    assert cfg["train"]["max_steps"] == 20


def test_a_cache_given_by_name_and_signatures_on_one_line(tiny, tmp_path):
    """The cache stays on its machine; where no terminal is, a line may be long."""
    run, own = tmp_path / "run", tmp_path / "own"

    answer = nmt("train", *tiny, f"hydra.run.dir={run}", f"cache={own}")

    assert answer.code == 0, answer.err
    assert files(own)
    assert str(own) not in (run / "config.yaml").read_text()
    signatures = json.loads((run / "result.json").read_text())["signatures"]
    lines = answer.err.splitlines()
    for signature in signatures.values():
        assert any(signature in line for line in lines), signature


def test_the_log_has_losses_and_scores(smoke):
    lines = [json.loads(line) for line in (smoke / "metrics.jsonl").read_text().splitlines()]

    assert [line["step"] for line in lines if "train/loss" in line] == [5, 10, 15, 20]
    dev = [line for line in lines if "dev/bleu" in line]
    assert [line["step"] for line in dev] == [10, 20]
    assert all({"dev/loss", "dev/chrf", "attention/entropy"} <= line.keys() for line in dev)


def test_a_run_that_is_still_training_can_be_opened(trained, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "model.safetensors").unlink()

    translator = open_run(run, "cpu", "fp32")
    assert len(translator(["eins", "zwei"], Decode(beam=1))) == 2

    (run / "checkpoints").rename(run / "elsewhere")
    with pytest.raises(UserError, match=r"neither model\.safetensors nor a checkpoint"):
        open_run(run, "cpu", "fp32")


def test_a_damaged_configuration_is_told_with_its_path(tmp_path):
    (tmp_path / "config.yaml").write_text("train: {")

    with pytest.raises(UserError, match=r"config\.yaml"):
        read_config(tmp_path)


def test_a_run_says_which_format_it_has_and_older_ones_load(smoke, tmp_path):
    content = yaml.safe_load((smoke / "config.yaml").read_text())
    assert content.pop("format") == FORMAT
    shutil.copytree(smoke, tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(content))

    assert open_run(tmp_path / "run", "cpu", "fp32")
    assert read_config(tmp_path / "run") == read_config(smoke)


def test_a_run_of_a_newer_format_is_refused_with_what_to_do(smoke, tmp_path):
    text = (smoke / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(
        text.replace(f"format: {FORMAT}", f"format: {FORMAT + 1}")
    )

    assert "written by a newer nmt" in mistake(nmt("translate", f"run={tmp_path}"))


def test_nobody_sets_the_format(tiny):
    assert "format" in mistake(nmt("train", *tiny, "format=2"))


def test_a_run_works_wherever_it_is_moved(tiny, numbers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train.heatmaps=0", "hydra.run.dir=here/run"]
    assert nmt("train", *tiny, *words).code == 0
    before = nmt("translate", "run=here/run", stdin=b"eins zwei drei\n").out
    Path("there").mkdir()
    Path("here/run").rename("there/moved")
    shutil.copytree(numbers, "there/numbers")
    monkeypatch.chdir("there")
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "there" / "cache"))

    assert nmt("translate", "run=moved", stdin=b"eins zwei drei\n").out == before
    answer = nmt("evaluate", "run=moved", "heatmaps=0")
    assert answer.code == 0, answer.err
    places = [
        f"data.{split}=[numbers/{split}.de,numbers/{split}.en]"
        for split in ("train", "dev", "test")
    ]
    answer = nmt("train", "resume=moved", "train.max_steps=6", *places)
    assert answer.code == 0, answer.err
    assert "resuming at step 4" in answer.err
    assert json.loads(Path("moved/result.json").read_text())["steps"] == 6


def test_a_rate_that_a_schedule_brings_stays_with_the_run(tiny, tmp_path):
    words = ["schedule=noam", "schedule.warmup=5", "train.heatmaps=0"]
    assert nmt("train", *tiny, *words, f"hydra.run.dir={tmp_path / 'run'}").code == 0
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["optimizer"]["lr"] == 1.0
    for again, folder in ((["resume"], "run"), (["from", f"hydra.run.dir={tmp_path}/new"], "new")):
        given = [f"{again[0]}={tmp_path / 'run'}", *again[1:], "train.max_steps=6"]
        assert nmt("train", *given).code == 0
        log = read_metrics(tmp_path / folder)
        rates = {line["step"]: line["train/lr"] for line in log if "train/lr" in line}
        assert rates == {
            step: pytest.approx(8**-0.5 * min(step**-0.5, step * 5**-1.5)) for step in range(1, 7)
        }


def test_a_run_does_not_go_on_with_the_pieces_of_another_text(trained, numbers, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    files_before = {name: (run / name).stat().st_mtime_ns for name in files(run)}
    other = tmp_path / "other"
    other.write_text((numbers / "train.de").read_text().replace("eins", "null"))

    words = [f"data.train=[{other},{numbers}/train.en]", "train.max_steps=6"]
    message = mistake(nmt("train", f"resume={run}", *words))

    assert "source.model no longer matches the corpus" in message
    assert {name: (run / name).stat().st_mtime_ns for name in files(run)} == files_before


def test_no_file_of_a_run_names_a_place_of_this_machine(smoke, tmp_path):
    run = Path(shutil.copytree(smoke, tmp_path / "run"))
    assert nmt("evaluate", f"run={run}", "heatmaps=1").code == 0
    assert nmt("align", f"run={run}", "heatmaps=1").code == 0

    places = [str(place).encode() for place in (smoke, run, tmp_path, Path.home(), Path.cwd())]
    for path in (path for path in run.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [place for place in places if len(place) > 1 and place in content], path
    evaluated = run / "evaluation" / "bible-test"
    result = json.loads((evaluated / "result.json").read_text())
    assert (evaluated / result["run"]).resolve() == run
