"""A run folder explains itself: what lies in it, and what its files say."""

import json
import re
from importlib.metadata import version

import pytest
import yaml
from command import files, nmt

from nmt.decoding.translate import Decode
from nmt.errors import UserError
from nmt.run import open_run, read_config

SCORES = ("bleu", "chrf", "ter", "bleu_tok_lc")


def test_what_lies_in_a_run_folder(smoke):
    assert sorted(path.name for path in smoke.iterdir()) == [
        *("checkpoints", "config.yaml", "heatmaps", "hypotheses.txt", "lock", "metrics.jsonl"),
        *("model.safetensors", "references.txt", "result.json", "sources.txt"),
        *("tensorboard", "tokenizer"),
    ]
    assert files(smoke / "tokenizer") == ["source.model", "target.model"]
    steps = [name for name in files(smoke / "checkpoints") if "/" not in name]
    assert steps == ["step-0000010", "step-0000020"]
    places = [name for name in files(smoke / "heatmaps") if "/" not in name]
    assert places == ["reference", "step-0000010", "step-0000020"]
    assert len(files(smoke / "tensorboard")) == 1


def test_the_result_says_what_was_measured_how_and_with_what(smoke):
    result = json.loads((smoke / "result.json").read_text())

    assert all(isinstance(result[name], float) for name in SCORES)
    assert set(result["signatures"]) == set(SCORES)
    assert all("version:" in signature for signature in result["signatures"].values())
    assert result["parameters"] > 0
    assert result["seconds"] > 0
    assert result["tokens_per_s"] > 0
    assert 2**20 < result["peak_memory_bytes"] < 2**36
    assert result["tested_weights"].keys() == {"loss", "perplexity", "entropy"}
    logged = [json.loads(line) for line in (smoke / "metrics.jsonl").read_text().splitlines()]
    bleu = max(line["dev/bleu"] for line in logged if "dev/bleu" in line)
    assert result["best_dev"] == {"bleu": bleu}
    assert result["versions"]["torch"] == version("torch")
    assert result["seed"] == 1
    assert result["commit"] is None or re.match(r"[0-9a-f]{7,}", result["commit"])
    for name in ("hypotheses.txt", "sources.txt", "references.txt"):
        assert result["sentences"] == len((smoke / name).read_bytes().split(b"\n")) - 1


def test_the_configuration_is_resolved_and_names_no_cache(smoke, cache):
    text = (smoke / "config.yaml").read_text()

    assert "${" not in text
    assert str(cache) not in text
    cfg = yaml.safe_load(text)
    assert cfg["cache"] is None
    assert cfg["model"]["attention"]["_target_"] == "nmt.attention.cosine.Cosine"
    assert cfg["train"]["max_steps"] == 20


def test_a_cache_given_by_name_stays_on_its_machine(tiny, tmp_path):
    run, own = tmp_path / "run", tmp_path / "own"

    assert nmt("train", *tiny, f"hydra.run.dir={run}", f"cache={own}").code == 0

    assert files(own)
    assert str(own) not in (run / "config.yaml").read_text()


def test_the_log_has_losses_and_scores(smoke):
    lines = [json.loads(line) for line in (smoke / "metrics.jsonl").read_text().splitlines()]

    assert [line["step"] for line in lines if "train/loss" in line] == [5, 10, 15, 20]
    dev = [line for line in lines if "dev/bleu" in line]
    assert [line["step"] for line in dev] == [10, 20]
    assert all({"dev/loss", "dev/chrf", "attention/entropy"} <= line.keys() for line in dev)


def test_signatures_stay_on_one_line_where_no_terminal_is(tiny, tmp_path):
    answer = nmt("train", *tiny, f"hydra.run.dir={tmp_path / 'run'}")

    signatures = json.loads((tmp_path / "run" / "result.json").read_text())["signatures"]
    lines = answer.err.splitlines()
    for signature in signatures.values():
        assert any(signature in line for line in lines), signature


def test_a_run_that_is_still_training_can_be_opened(tiny, tmp_path):
    run = tmp_path / "run"
    assert nmt("train", *tiny, f"hydra.run.dir={run}").code == 0
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
