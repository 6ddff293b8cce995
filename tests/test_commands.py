"""The commands as they are typed: train, translate, evaluate, and how each of them ends."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from choices import ALL
from command import files, mistake, nmt
from number_language import COUNTS, corpus_words
from safetensors.torch import load_file

from nmt.metrics.doubts import warn_once
from nmt.runs.folder import EVENT_FILES
from nmt.training.trainer import Trainer

TIMED = ("train/tokens_per_s", "train/minutes", "train/epoch")


def metrics(run: Path) -> list[dict]:
    """The log without what the clock decides."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMED} for line in lines]


def interrupt_after(monkeypatch, steps: int) -> None:
    """Ctrl-C in the middle of an update."""
    real = Trainer.train_step

    def train_step(self, work):
        if self.position.step == steps:
            raise KeyboardInterrupt
        return real(self, work)

    monkeypatch.setattr(Trainer, "train_step", train_step)


SMALL = {
    "rnn": ["model.embedding_width=8", "model.encoder_width=8", "model.decoder_width=16"],
    "transformer": [
        *("model=transformer_tiny", "model.width=16", "model.heads=2"),
        *("model.encoder_layers=1", "model.decoder_layers=1", "model.feed_forward_width=16"),
    ],
}


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("model", SMALL if ALL else ["transformer"])
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(model, numbers, tmp_path, monkeypatch):
    """Trained, cut off between two checkpoints and resumed, then translating and drawing.

    test_resume.py resumes RNNs; test_gallery.py and tests below look at their pictures.
    """
    monkeypatch.chdir(tmp_path)
    words = [
        *corpus_words(numbers),
        *SMALL[model],
        *("schedule=linear", "train.max_tokens=128", "train.max_steps=4", "train.evaluate_every=2"),
        *("train.log_every=1", "train.heatmaps=1", "decode.beam=2", "decode.max_ratio=1"),
    ]
    assert nmt("train", *words, "hydra.run.dir=whole").code == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)  # the last checkpoint is of step 2
        answer = nmt("train", *words, "hydra.run.dir=cut")
    assert answer.code == 130
    assert answer.err.endswith("nmt: interrupted; to resume: nmt train resume=cut\n")
    assert "Traceback" not in answer.err

    answer = nmt("train", "resume=cut")

    assert answer.code == 0, answer.err
    assert "resuming at step 2" in answer.err
    assert metrics(Path("cut")) == metrics(Path("whole"))
    whole, resumed = (load_file(Path(run) / "model.safetensors") for run in ("whole", "cut"))
    assert whole.keys() == resumed.keys()
    assert all(whole[name].equal(resumed[name]) for name in whole)
    assert files(Path("cut/heatmaps")) == files(Path("whole/heatmaps"))
    hypotheses = (Path(run, "hypotheses.txt").read_text() for run in ("cut", "whole"))
    assert next(hypotheses) == next(hypotheses)
    logged = {name for line in metrics(Path("whole")) for name in line}
    kinds = {"rnn": [""], "transformer": ["", "_encoder", "_decoder"]}[model]
    assert {f"attention/entropy{kind}" for kind in kinds} <= logged

    answer = nmt("translate", "run=cut", "heatmap=drawn", "n_best=2", stdin=b"eins.\nzwei.\n")
    assert answer.code == 0, answer.err
    assert [line.split("\t")[:2] for line in answer.out.splitlines()] == [
        ["1", "1"],
        ["1", "2"],
        ["2", "1"],
        ["2", "2"],
    ]
    drawn = {"rnn": [""], "transformer": ["-decoder-self", "-encoder-self", ""]}[model]
    assert files(Path("drawn")) == [
        f"sentence-{number}{kind}.png" for number in (1, 2) for kind in drawn
    ]


def test_an_interrupt_before_anything_is_written_leaves_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nmt.experiment.build.prepare", interrupted)

    answer = nmt("train", *tiny)

    assert (answer.code, answer.err) == (130, "nmt: interrupted\n")
    assert files(tmp_path) == []


def test_a_run_that_has_ended_says_so_and_goes_on_to_a_higher_limit(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = files(run)

    answer = nmt("train", f"resume={run}")

    assert answer.code == 0
    assert "is finished (train.max_steps reached)" in answer.err
    assert files(run) == before

    answer = nmt("train", f"resume={run}", "train.max_steps=6", "decode.beam=1")

    assert answer.code == 0
    result = json.loads((run / "result.json").read_text())
    assert (result["steps"], result["decode"]["beam"]) == (6, 1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["seed=3"], ["seed=3", "cannot be changed"]),
        (["train.max_tokens=3"], ["train.max_tokens", "cannot be changed"]),
        (["train.stesp=3"], ["train.stesp", "max_steps"]),
        (["train.max_steps=abc"], ["train.max_steps", "abc"]),
        (["train.max_steps=-1"], ["train.max_steps=-1"]),
        (["decode=greedy"], ["decode=greedy", "decode.beam=1"]),
        (["word"], ["word", "KEY=VALUE"]),
    ],
)
def test_a_run_that_goes_on_cannot_become_another(trained, words, told):
    message = mistake(nmt("train", f"resume={trained}", *words))

    assert all(part in message for part in told), message


def test_a_run_folder_is_not_written_over(trained, tiny):
    message = mistake(nmt("train", *tiny, f"hydra.run.dir={trained}"))

    assert f"resume={trained}" in message


@pytest.mark.parametrize(
    "command", [["train", "resume="], ["translate", "run="], ["evaluate", "run="]]
)
def test_a_folder_that_is_no_run_is_told(command, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.yaml").write_text("a: 3")
    name, key = command
    for folder, told in (("nowhere", "no such folder"), ("empty", "config.yaml"), ("other", "a")):
        message = mistake(nmt(name, f"{key}{tmp_path / folder}"))
        assert folder in message
        assert told in message


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_model_has_to_be_named(command):
    assert "run=<folder>" in mistake(nmt(command))


@pytest.mark.usefixtures("blank_pictures")
def test_a_sweep_names_its_runs_and_survives_one_that_cannot_be(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["attention=none,luong_dot", "-m", "model.decoder_width=16,12", "train.heatmaps=1"]
    words += ["train.max_steps=1", "train.evaluate_every=1"]
    tiny = [word for word in tiny if not word.startswith("model.decoder_width")]

    answer = nmt("train", *tiny, *words, "hydra.sweep.dir=grid")

    assert answer.code == 1
    runs = sorted(path.name for path in Path("grid").iterdir() if path.is_dir())
    assert len(list(Path("grid").glob(EVENT_FILES))) == 1, "the columns of its HParams"
    failed, *others = runs
    assert runs == [
        "attention=luong_dot,model.decoder_width=12",
        "attention=luong_dot,model.decoder_width=16",
        "attention=none,model.decoder_width=12",
        "attention=none,model.decoder_width=16",
    ]
    assert all((Path("grid") / run / "result.json").is_file() for run in others)
    assert files(Path("grid") / failed) == ["failure.txt"]
    assert f"nmt: {failed}: {(Path('grid') / failed / 'failure.txt').read_text()}" in answer.err
    assert answer.err.endswith(f"says why: {failed}\n")
    heatmaps = [run for run in runs if (Path("grid") / run / "heatmaps").exists()]
    assert heatmaps == ["attention=luong_dot,model.decoder_width=16"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data.train=[{f}/train.de,nowhere]"], ["nowhere", "no such file"]),
        (["data.train=[{f}/train.de,{t}/empty]"], ["empty"]),
        (["data.train=[{f}/train.de,{t}]"], ["material is a folder"]),
        (["data.train=[{f}/train.de,{f}/dev.en]"], ["train.de has 98", "dev.en has 6"]),
        (["data.train=[{f}/train.de,{t}/latin]"], ["latin, line 2", "UTF-8"]),
        (["tokenizer.size=1000"], ["tokenizer.size=1000", "at most"]),
        (["clean.max_pieces=1"], ["no training pair is left", "over 1 pieces", "kept"]),
        (["train.max_tokens=2"], ["train.max_tokens=2", "longest"]),
        (["data.train=null"], ["no train split"]),
    ],
)
def test_a_corpus_that_cannot_be_used_is_told(words, told, tiny, numbers, tmp_path, monkeypatch):
    material = tmp_path / "material"
    here = tmp_path / "here"
    material.mkdir()
    here.mkdir()
    (material / "empty").write_text("")
    (material / "latin").write_bytes(b"one\n\xff\n")
    monkeypatch.chdir(here)

    message = mistake(nmt("train", *tiny, *(word.format(f=numbers, t=material) for word in words)))

    assert all(part in message for part in told), message
    assert files(here) == []


def test_translate_gives_a_line_for_each_line_in_order(trained, tmp_path):
    text = "eins zwei drei\n\nvier fünf sechs sieben eins\nzwei\n"
    (tmp_path / "in").write_text(text)

    piped = nmt("translate", f"run={trained}", stdin=text.encode())
    read = nmt("translate", f"run={trained}", f"input={tmp_path}/in", f"output={tmp_path}/out")
    alone = nmt("translate", f"run={trained}", stdin=b"zwei")

    assert (piped.code, read.code, alone.code) == (0, 0, 0)
    assert (tmp_path / "out").read_text() == piped.out
    assert not read.out
    lines = piped.out.split("\n")
    assert len(lines) == 5
    assert (lines[1], lines[3] + "\n") == ("", alone.out)
    assert nmt("translate", f"run={trained}", stdin=b"").out == ""


def test_translate_gives_the_n_best_with_number_rank_and_score(trained):
    answer = nmt("translate", f"run={trained}", "n_best=2", stdin=b"eins zwei drei\n\nvier\n")

    rows = [line.split("\t") for line in answer.out.splitlines()]
    assert [(number, rank) for number, rank, _, _ in rows] == [
        *(("1", "1"), ("1", "2"), ("2", "1"), ("3", "1"), ("3", "2"))
    ]
    assert float(rows[0][2]) >= float(rows[1][2])


def test_decode_n_best_is_n_best(trained):
    short, long = (
        nmt("translate", f"run={trained}", word, stdin=b"eins zwei drei\n")
        for word in ("n_best=2", "decode.n_best=2")
    )

    assert len(short.out.splitlines()) == 2
    assert long == short


@pytest.mark.usefixtures("blank_pictures")
def test_translate_draws_each_sentence(trained, tmp_path):
    folder = tmp_path / "pictures"

    answer = nmt("translate", f"run={trained}", f"heatmap={folder}", stdin=b"eins zwei\n\nvier\n")

    assert answer.code == 0
    assert files(folder) == ["sentence-1.png", "sentence-3.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["input=nowhere"], ["nowhere: no such file"]),
        (["input=."], [". is a folder"]),
        (["output=nowhere/out"], ["output=nowhere/out", "cannot be written"]),
        (["output=."], ["output=.", "folder"]),
        (["heatmap=/proc/nowhere"], ["/proc/nowhere"]),
        (["n_best=3"], ["n_best=3", "decode.beam=3"]),
        (["n_best=1", "decode.n_best=2"], ["n_best=1", "decode.n_best=2", "the same setting"]),
        (["decode.baem=3"], ["decode.baem", "beam"]),
        (["device=foo"], ["device=foo"]),
        (["precision=foo"], ["precision=foo"]),
        (["train.max_steps=3"], ["train", "input"]),
    ],
)
def test_mistakes_of_translate_are_told(words, told, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    message = mistake(nmt("translate", f"run={trained}", *words, stdin=b"eins\n"))

    assert all(part in message for part in told), message
    assert files(tmp_path) == []


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_translation_without_memory_is_told(command, trained, monkeypatch):
    monkeypatch.setattr(
        "nmt.decoding.translate.search", lambda *_, **__: torch.empty(2**50, dtype=torch.uint8)
    )

    message = mistake(nmt(command, f"run={trained}", stdin=b"eins\n"))

    assert "lower decode.batch_size, decode.batch_tokens" in message


@pytest.mark.usefixtures("blank_pictures")
def test_evaluate_scores_any_test_set_and_says_of_what(trained, numbers, tmp_path):
    words = [f"data.test=[{numbers}/dev.de,{numbers}/dev.en]", "data.source=de", "data.target=en"]

    answer = nmt("evaluate", f"run={trained}", "data=files", *words, f"output={tmp_path}/out")

    assert answer.code == 0, answer.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (tmp_path / "out" / result["run"]).resolve() == trained
    assert result["data"]["test"] == [f"{numbers}/dev.de", f"{numbers}/dev.en"]
    assert result["sentences"] == len(
        (tmp_path / "out" / "hypotheses.txt").read_text().splitlines()
    )
    scores = {"bleu", "chrf", "ter", "bleu_tok_lc", "signatures", "loss", "perplexity"}
    assert scores <= result.keys()
    assert f"loss {result['loss']:.3f} nats per target piece, perplexity" in answer.err
    assert len(files(tmp_path / "out" / "heatmaps")) == 4


def test_evaluate_takes_the_languages_of_the_run_where_none_is_typed(trained, numbers, tmp_path):
    """`files` has no languages of its own; those of `multi30k` are other ones than the run's."""
    answer = nmt(
        *("evaluate", f"run={trained}", "data=files", f"output={tmp_path}/out", "heatmaps=0"),
        f"data.test=[{numbers}/test.de,{numbers}/test.en]",
    )

    assert answer.code == 0, answer.err
    again, first = (
        json.loads((f / "result.json").read_text()) for f in (tmp_path / "out", trained)
    )
    assert (again["data"]["source"], again["data"]["target"]) == ("de", "en")
    assert again["bleu"] == first["bleu"]

    run = tmp_path / "en-de"
    shutil.copytree(trained, run)
    config = (run / "config.yaml").read_text()
    config = config.replace("  source: de\n  target: en\n", "  source: en\n  target: de\n")
    (run / "config.yaml").write_text(config)
    folder = tmp_path / "multi30k"
    folder.mkdir()
    for name in ("train", "val", "test_2016_flickr"):
        for language in ("de", "en"):
            shutil.copy(numbers / f"test.{language}", folder / f"{name}.{language}")
    data = ["data=multi30k", f"data.dir={folder}", "heatmaps=0"]

    answer = nmt("evaluate", f"run={run}", *data)

    assert answer.code == 0, answer.err
    found = run / "evaluation" / "multi30k-test" / "references.txt"
    assert found.read_text() == (numbers / "test.de").read_text()
    assert "en to de" in mistake(nmt("evaluate", f"run={run}", *data, "data.source=de"))


def test_references_without_spaces_are_told_before_the_first_update_and_once(
    tiny, tmp_path, numbers, caplog, monkeypatch
):
    warn_once.cache_clear()
    for split in ("train", "dev", "test"):
        text = (numbers / f"{split}.en").read_text()
        for place, word in enumerate(COUNTS):
            text = text.replace(word, f"{'一二三四五六七'[place]}千").replace("千 ", "千")
        (tmp_path / f"{split}.en").write_text(text)
    words = [word.replace(f"{numbers}/", f"{tmp_path}/") for word in tiny if ".en" in word]
    words = [word.replace(f"[{tmp_path}", f"[{numbers}") for word in words]  # the German side
    run = f"{tmp_path}/run"
    told = [
        "data.target=en is scored in words separated by spaces (tok:13a), but these references "
        "are written without spaces: BLEU and TER count several words as one. Name the language "
        "and its script, for instance zh, jpn or tha_Thai"
    ]

    with monkeypatch.context() as patch:
        interrupt_after(patch, 0)
        words = [*tiny, *words, "tokenizer.kind=char", f"hydra.run.dir={run}"]
        assert nmt("train", *words).code == 130
    assert [record.message for record in caplog.records] == told
    shutil.rmtree(run)
    answer = nmt("train", *words)
    assert answer.code == 0, answer.err
    assert [record.message for record in caplog.records] == told

    caplog.clear()
    warn_once.cache_clear()
    assert nmt("evaluate", f"run={run}", "heatmaps=0").code == 0
    assert [record.message for record in caplog.records] == told


def test_evaluate_repeats_the_result_of_the_run(trained, tmp_path):
    folder = tmp_path / "again"
    answer = nmt("evaluate", f"run={trained}", "heatmaps=0", f"output={folder}")

    assert answer.code == 0, answer.err
    again, first = (json.loads((f / "result.json").read_text()) for f in (folder, trained))
    same = ("bleu", "chrf", "ter", "signatures", "loss", "perplexity")
    assert all(again[name] == first[name] for name in same)
    assert (folder / "hypotheses.txt").read_text() == (trained / "hypotheses.txt").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=bible", "data.source=ja"], ["data.source=ja", "de to en"]),
        (["data=bible", "data.target=de"], ["data.target=de", "de to en"]),
        (["data=files"], ["data.test="]),
        (["decode.n_best=2"], ["decode.n_best=2", "nmt translate n_best="]),
        (["data=nope"], ["data=nope", "bible"]),
        (["data.source=de"], ["data.source", "data=…"]),
        (["split=foo"], ["foo", "train, dev, test"]),
        (["heatmaps=-1"], ["heatmaps=-1"]),
        (["output=/proc/nowhere"], ["/proc/nowhere"]),
    ],
)
def test_mistakes_of_evaluate_are_told(words, told, trained):
    message = mistake(nmt("evaluate", f"run={trained}", *words))

    assert all(part in message for part in told), message


def test_a_reader_that_has_had_enough_ends_the_command_quietly():
    """In a process of its own, since Python flushes once more when it ends."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "nmt", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env=environment,
    ) as process:
        assert process.stdout
        process.stdout.close()
        _, err = process.communicate()

    assert err == b""
    assert process.returncode == 141
