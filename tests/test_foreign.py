"""A run folder from anywhere: nothing in it is executed, followed or believed."""

import json
import os
import pickle
import shutil
import sys
from math import nan
from pathlib import Path

import pytest
import torch
import yaml
from command import files, mistake, nmt
from comparison_runs import RESULT, configured, write_run
from safetensors.torch import load_file, save_file

from nmt.errors import UserError
from nmt.run import open_run
from nmt.runs.files import write_sums
from nmt.runs.folder import read_config
from nmt.runs.lifting import FORMAT

unpickled: list[str] = []
sys.addaudithook(lambda event, _: unpickled.append(event) if event == "pickle.find_class" else None)


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    words = ("attention=bahdanau", "train.heatmaps=0", "train.ema=0.9")
    answer = nmt("train", *tiny, *words, f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return run


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of a run, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def tamper(run: Path, key: str, value: object) -> None:
    """Write another value into config.yaml."""
    path = run / "config.yaml"
    content = yaml.safe_load(path.read_text())
    *nodes, last = key.split(".")
    node = content
    for name in nodes:
        node = node[name]
    node[last] = value
    path.write_text(json.dumps(content))


SYSTEM = {"_target_": "os.system", "command": "touch executed"}
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("model._target_", "os.system", "os.system"),
        ("model._target_", "nmt.models.seq2seq.Seq2Seq", "not a class"),  # abstract
        ("model._target_", "nmt.report.logger.Logger", "Logger"),
        ("model._target_", "nmt.commands.sweep.Ended", "Ended"),
        ("model._target_", "nmt.run.Path", "Path"),
        ("model._target_", "nmt.run.build_model", "build_model"),
        ("model._target_", ["os.system"], "os.system"),
        ("model.norm", SYSTEM, "norm"),
        ("model.cell", SYSTEM, "os.system"),
        ("model.cell._target_", "nmt.models.bridge.Last", "Last"),
        ("model.cell._args_", ["x"], "_args_"),
        ("model.dropout", SYSTEM, "dropout"),
        ("model._recursive_", False, "_recursive_"),
        ("optimizer._target_", "torch.optim.lr_scheduler.LambdaLR", "LambdaLR"),
        ("optimizer._target_", "torch.optim.Adam.step", "Adam.step"),
        ("optimizer._target_", "torch.optim.adam.adam", "adam.adam"),
        ("optimizer.betas", [SYSTEM, 0.9], "betas"),
        ("optimizer.eps", [SYSTEM], "eps"),
        ("data._target_", "nmt.data.tokenizer.Tokenizer", "Tokenizer"),
        ("data.train", [SYSTEM], "data.train"),
        ("data.train", [3], "data.train"),
        ("consistency", SYSTEM, "os.system"),
        ("guide", {"a": 3}, "guide"),
        ("train.max_steps", SYSTEM, "max_steps"),
        ("callbacks", SYSTEM, "callbacks"),
        ("model", 5, "model"),
        ("model", None, "model"),
        ("data", [1], "data"),
        ("data.source", "${oc.env:HOME}", "data.source=${oc.env:HOME}"),
        ("data.train", ["${oc.env:HOME}/x"], "data.train.0=${oc.env:HOME}/x"),
        ("seed", "${now:%Y}", "seed"),
        ("model.attention", "${attention}", "model.attention"),
        ("${now:%Y}", 1, "${now:%Y}"),
        ("format", FORMAT + 1, "upgrade"),
        ("format", "new", "format=new"),
        ("format", -1, "format=-1"),
        ("model.encoder_layers", 10**9, "model.encoder_layers=1000000000: must be at most 128"),
        ("model.embedding_width", 10**12, "model.embedding_width"),
        ("model.embedding_width", 10**30, "model.embedding_width"),
        ("model.embedding_width", 65_536, "model.safetensors does not match the configured model"),
        ("model.attention.width", 10**12, "attention.width"),
        ("model.heads", 10**9, "model.heads"),
        ("model.hops", 10**9, "model.hops"),
        ("decode.beam", 10**9, "decode.beam=1000000000: must be at most 1,024"),
        ("decode.batch_size", 10**12, "decode.batch_size"),
        ("decode.batch_tokens", 10**12, "decode.batch_tokens"),
        ("decode.max_ratio", 1e9, "decode.max_ratio"),
        ("decode.max_ratio", float("nan"), "decode.max_ratio"),
        ("decode.max_extra", 10**9, "decode.max_extra"),
        ("decode.max_source", 10**9, "decode.max_source"),
        ("train.max_tokens", 10**12, "train.max_tokens"),
        ("train.dev_beam", 10**9, "train.dev_beam"),
    ],
)
def test_a_tampered_configuration_is_refused(key, value, told, run, monkeypatch):
    monkeypatch.chdir(run)
    tamper(run, key, value)
    before = files(run)

    with pytest.raises(UserError) as refusal:
        open_run(run, "cpu", "fp32")

    assert str(refusal.value).startswith(str(run))
    assert told in str(refusal.value)
    assert files(run) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("model=transformer model.head_width=1000000000000000000000000", "model.head_width"),
        ("model=transformer model.decoder_layers=1000000", "model.decoder_layers"),
        ("model=transformer positions=learned positions.max_positions=1000000000", "positions"),
        ("attention=luong_location attention.max_positions=1000000000", "max_positions"),
        ("tokenizer.size=100000000000", "tokenizer.size"),
    ],
)
def test_absurd_sizes_are_told_before_memory_is_taken(words, told):
    message = mistake(nmt("train", *words.split(), "train.max_steps=1"))

    assert told in message
    assert "at most" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.yaml", b"[" * 100_000),
        ("config.yaml", b"model: \xff"),
        ("config.yaml", b"- a\n- b\n"),
        ("config.yaml", b"model: !!python/object/apply:os.system ['touch executed']"),
        ("config.yaml", BOMB.encode()),
        ("config.yaml", b"a: " + 2**17 * b"x"),
        ("tokenizer/source.model", b"garbage"),
        ("tokenizer/source.model", b""),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", (2**60).to_bytes(8, "little") + b"{}"),
        ("model.safetensors", pickle.dumps({"weight": 3})),
    ],
)
def test_what_is_no_file_of_a_run_is_refused_with_its_name(name, content, run, monkeypatch):
    monkeypatch.chdir(run)
    (run / name).write_bytes(content)

    message = mistake(nmt("translate", f"run={run}", stdin=b"eins\n"))

    assert str((run / name).parent) in message
    assert len(message) < 1000
    assert not (run / "executed").exists()


def test_a_tokenizer_whose_pieces_are_garbage_is_refused_with_its_folder(run):
    """The model can be read; its pieces are decoded when they are asked for."""
    path = run / "tokenizer" / "source.model"
    model = path.read_bytes()
    assert "ü".encode() in model
    path.write_bytes(model.replace("ü".encode(), b"\xff\xfe"))

    message = mistake(nmt("translate", f"run={run}", stdin=b"eins\n"))

    assert f"{path.parent} has a damaged SentencePiece model" in message


def test_a_model_that_was_cut_off_is_refused_with_its_name(run):
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])

    assert str(path) in mistake(nmt("translate", f"run={run}", stdin=b"eins\n"))


def last(run: Path) -> Path:
    return run / "checkpoints" / "step-0000004"


def one_more_row(path: Path) -> None:
    """Give every tensor of a file another shape."""
    save_file({name: torch.cat([t[None], t[None]]) for name, t in load_file(path).items()}, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [one_more_row, cut])
@pytest.mark.parametrize("name", ["model", "ema", "optimizer", "random"])
def test_a_run_does_not_go_on_with_tensors_of_another(name, damage, run):
    path = last(run) / f"{name}.safetensors"
    damage(path)
    write_sums(path.parent)  # else the disk is to blame

    answer = nmt("train", f"resume={run}", "train.max_steps=6")

    assert answer.code == 1
    assert str(path) in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoints/step-0000004/state.json", "{"),
        ("checkpoints/step-0000004/state.json", "[1]"),
        ("checkpoints/step-0000004/state.json", "[" * 100_000),
        ("checkpoints/step-0000004/state.json", '{"stpe": 1}'),
        ("checkpoints/step-0000004/state.json", '{"step": "4"}'),
        ("checkpoints/step-0000004/state.json", '{"step": -4}'),
        ("checkpoints/step-0000004/state.json", '{"dev": {"bleu": "high"}}'),
        ("metrics.jsonl", "{\n"),
        ("metrics.jsonl", '{"loss": 3}\n'),
        ("metrics.jsonl", '["step"]\n'),
    ],
)
def test_a_run_does_not_go_on_from_what_nobody_wrote(name, content, run):
    (run / name).write_text(content)
    write_sums(last(run))

    message = mistake(nmt("train", f"resume={run}", "train.max_steps=6"))

    assert str(run / name) in message
    assert len(message) < 1000


OPENING = {
    "translate": ["translate", "run="],
    "evaluate": ["evaluate", "run="],
    "score": ["score", "run="],
    "heads": ["heads", "run="],
    "align": ["align", "run="],
    "resume": ["train", "resume="],
    "from": ["train", "from="],
}


@pytest.mark.parametrize("command", OPENING)
def test_links_that_lead_out_of_a_run_are_refused_by_every_command(command, run, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("kept\n")
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").symlink_to(outside)
    name, key = OPENING[command]

    message = mistake(nmt(name, f"{key}{run}"))

    assert f"{run / 'metrics.jsonl'} is a link that leads out of {run}" in message
    assert outside.read_text() == "kept\n"


@pytest.mark.parametrize("kind", ["folder", "dangling", "round", "pipe", "sibling"])
def test_what_else_leads_out_or_nowhere_is_refused(kind, run, tmp_path):
    place = run / "tokenizer" / "odd"
    (tmp_path / "run-2").mkdir()
    if kind == "pipe":
        os.mkfifo(place)
    else:
        leads = {"folder": "/", "dangling": "nowhere", "round": "odd", "sibling": "../../run-2"}
        place.symlink_to(leads[kind])

    with pytest.raises(UserError, match="odd is"):
        read_config(run)


def test_links_within_a_run_are_good(run):
    (run / "model.safetensors").unlink()
    (run / "model.safetensors").symlink_to("checkpoints/step-0000004/model.safetensors")

    assert nmt("translate", f"run={run}", stdin=b"eins\n").code == 0


@pytest.mark.usefixtures("without_plots")
def test_nothing_is_unpickled_on_the_way_from_training_to_a_report(trained, tmp_path):
    run = tmp_path / "runs" / "run"
    unpickled.clear()

    for words in (
        ["train", f"from={trained}", f"hydra.run.dir={run}"],
        ["train", f"resume={run}", "train.max_steps=6"],
        ["translate", f"run={run}"],
        ["evaluate", f"run={run}", "heatmaps=0"],
        ["align", f"run={run}", "heatmaps=0"],
        ["compare", run.parent, "num_sentences=0"],
    ):
        answer = nmt(*words, stdin=b"eins zwei\n")
        assert answer.code == 0, answer.err

    assert unpickled == []


@pytest.mark.usefixtures("without_plots")
def test_a_comparison_does_not_follow_or_believe_a_foreign_run(tmp_path):
    write_run(tmp_path / "good", configured(), RESULT)
    newer = write_run(tmp_path / "newer", configured(), RESULT)
    (newer / "config.yaml").write_text(json.dumps({"format": FORMAT + 1, **configured()}))
    write_run(tmp_path / "variable", configured(seed="${oc.env:HOME}"), RESULT)
    write_run(tmp_path / "seed", configured(seed="x"), RESULT)
    write_run(tmp_path / "signatures", configured(), {**RESULT, "signatures": ["a"]})
    write_run(tmp_path / "device", configured(), {**RESULT, "device": ["a"]})
    (write_run(tmp_path / "empty", configured(), RESULT) / "config.yaml").write_text("")
    (write_run(tmp_path / "log", configured(), None) / "metrics.jsonl").write_text("garbage\n")
    (write_run(tmp_path / "text", configured(), RESULT) / "hypotheses.txt").write_bytes(b"\xff\n")
    failed = write_run(tmp_path / "failed", None)
    (failed / "failure.txt").write_bytes("Übung zu groß\n".encode("latin-1"))
    write_run(tmp_path / "huge", configured(), {**RESULT, "bleu": 10**400})
    write_run(tmp_path / "nan", configured(), {**RESULT, "bleu": nan})
    write_run(tmp_path / "seeds", configured(seed=10**400), RESULT)
    lines = {
        "latin": b'{"step": 1, "dev/bleu": "\xff"}\n',
        "steps": b'{"step": 1' + 400 * b"0" + b"}\n",
        "words": b'{"step": 1, "dev/bleu": "high"}\n',
        "null": b'{"step": 1, "dev/bleu": NaN}\n',
    }
    for name, line in lines.items():
        (write_run(tmp_path / name, configured(), RESULT) / "metrics.jsonl").write_bytes(line)
    torn = write_run(tmp_path / "torn", configured(), RESULT) / "alignment" / "files-test"
    torn.mkdir(parents=True)
    (torn / "result.json").write_text('{"aer": 0.')
    (write_run(tmp_path / "source", configured(), RESULT) / "sources.txt").write_bytes(b"\xff\n")
    (write_run(tmp_path / "fewer", configured(), RESULT) / "sources.txt").write_text("one\n")
    linked = write_run(tmp_path / "linked", configured(), RESULT)
    (linked / "sources.txt").unlink()
    (linked / "sources.txt").symlink_to("/etc/hostname")

    answer = nmt("compare", tmp_path, "num_sentences=0")

    assert answer.code == 0, answer.err
    missing = json.loads((tmp_path / "comparison" / "comparison.json").read_text())[
        "without_result"
    ]
    why = {Path(one["run"]).name: one["why"] for one in missing}
    told = {
        "newer": "upgrade nmt",
        "variable": "seed=${oc.env:HOME}",
        "seed": "seed=x",
        "signatures": "signatures",
        "device": "device",
        "empty": "lacks model or data",
        "log": "metrics.jsonl, line 1",
        "text": "UTF-8",
        "linked": "leads out",
        "failed": "failed: \ufffdbung zu gro\ufffd",
        "huge": "bleu=1000000000",
        "nan": "bleu=nan",
        "seeds": "seed=100000",
        "latin": "metrics.jsonl is not UTF-8",
        **dict.fromkeys(("steps", "words", "null"), "metrics.jsonl, line 1"),
        "torn": "alignment/files-test/result.json cannot be read",
        "source": "sources.txt",
        "fewer": "sources.txt has 1 lines",
    }
    assert why.keys() == told.keys()
    assert all(told[name] in why[name] for name in told), why


def test_a_hub_corpus_cannot_be_a_loader_of_the_library():
    words = ["data=hub", "data.source=de", "data.target=en", "data.name=pandas"]

    assert "owner/dataset" in mistake(nmt("train", *words))
