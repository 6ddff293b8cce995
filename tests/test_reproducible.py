"""The same seed on the same machine gives the same weights, and a run can be run again."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from choices import ALL
from command import Answer, files, mistake, nmt
from golden_runs import one_thread
from number_language import corpus_words
from safetensors.torch import load_file

from nmt.runs.lifting import FORMAT

RNN = ["model=rnn", "model.embedding_width=8", "model.encoder_width=8", "model.decoder_width=16"]
TRANSFORMER = [
    *("model=transformer", "model.width=16", "model.feed_forward_width=24", "model.heads=2"),
    *("model.encoder_layers=1", "model.decoder_layers=2"),
]
MODELS = {
    "rnn": RNN,
    "rnn-rdrop": [*RNN, "consistency=rdrop", "order=bahdanau", "attention=bahdanau"],
    "transformer": TRANSFORMER,
    "transformer-guided": [*TRANSFORMER, "guide=file", "guide.path=links", "train.ema=0.9"],
}
SHORT = [
    *("train.max_tokens=128", "train.max_steps=2", "train.evaluate_every=2", "train.log_every=1"),
    *("train.heatmaps=0", "decode.beam=1", "decode.max_ratio=1"),
]


def train(*words: object) -> Answer:
    with one_thread():
        answer = nmt("train", *words)
    assert answer.code == 0, answer.err
    return answer


def weights(run: str | Path) -> bytes:
    return (Path(run) / "model.safetensors").read_bytes()


@pytest.mark.parametrize("model", MODELS if ALL else ["rnn-rdrop", "transformer-guided"])
def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    model, numbers, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pairs = len((numbers / "train.de").read_text().splitlines())
    Path("links").write_text("0-0 1-1 2-2\n" * pairs)
    words = [*corpus_words(numbers), *MODELS[model], *SHORT]
    for run in ("one", "same"):
        train(*words, "seed=1", f"hydra.run.dir={run}")

    assert weights("one") == weights("same")
    train(*words, "seed=2", "train.max_steps=1", "hydra.run.dir=other")
    one, other = load_file("one/model.safetensors"), load_file("other/model.safetensors")
    drawn = [name for name in one if one[name].unique().numel() > 2]  # no bias, no norm
    assert len(drawn) > 5
    assert not any(one[name].equal(other[name]) for name in drawn)


@pytest.fixture(scope="module")
def origin(tiny, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("origin") / "first"
    train(*tiny, "attention=bahdanau", "seed=7", f"hydra.run.dir={run}")
    return run


def test_a_result_says_all_that_is_needed_to_repeat_it(origin):
    result = json.loads((origin / "result.json").read_text())

    assert result["config"] == yaml.safe_load((origin / "config.yaml").read_text())
    assert result["config"]["format"] == FORMAT
    assert {"python", "torch", "nmt", "sentencepiece"} <= result["versions"].keys()
    assert {"commit", "seed", "device", "precision"} <= result.keys()
    assert "threads" in result["device"]


@pytest.mark.parametrize("named", ["", "result.json"])
def test_a_run_is_run_again_from_its_folder_or_its_result(named, origin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Path(shutil.copy(origin / named, "result.json")).resolve() if named else origin

    answer = train(f"from={given}")

    (run,) = Path("runs").glob("*/*")
    assert run.parent.name == f"{tmp_path.name if named else 'first'}-again"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", run.name)
    assert weights(run) == weights(origin)
    for name in ("config.yaml", "hypotheses.txt"):
        assert (run / name).read_text() == (origin / name).read_text()
    assert "made with" not in answer.err
    assert "starting with new weights, seed=7\n" in answer.err


def test_single_values_are_changed_wherever_they_are_used(origin, tmp_path):
    run = tmp_path / "run"

    train(f"from={origin}", "attention.width=5", "seed=8", f"hydra.run.dir={run}")

    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["attention"]["width"] == config["model"]["attention"]["width"] == 5
    assert config["seed"] == 8
    before = yaml.safe_load((origin / "config.yaml").read_text())
    before["attention"]["width"] = before["model"]["attention"]["width"] = 5
    assert config == {**before, "seed": 8}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["attention=luong_dot"], ["attention=luong_dot", "whole command"]),
        (["positions=rope"], ["positions=rope", "whole command"]),
        (["model.attention=cosine"], ["model.attention=cosine", "whole command"]),
        (["experiment=smoke"], ["experiment=smoke", "whole command"]),
        (["train.stesp=3"], ["train.stesp", "max_steps"]),
        (["attention.widht=3"], ["attention.widht", "width"]),
        (["train.max_steps=abc"], ["train.max_steps", "abc"]),
        (["hydra.sweep.dir=x"], ["hydra"]),
        (["seed"], ["seed", "KEY=VALUE"]),
        (["-m"], ["-m", "from="]),
        (["resume=x"], ["resume=", "from="]),
        (["hydra.run.dir={origin}"], ["already has a run"]),
    ],
)
def test_what_cannot_stand_beside_from_is_told(words, told, origin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    message = mistake(
        nmt("train", f"from={origin}", *(word.format(origin=origin) for word in words))
    )

    assert all(part in message for part in told), message
    assert files(tmp_path) == []


def test_what_is_no_run_cannot_be_run_again(origin, tmp_path):
    result = json.loads((origin / "result.json").read_text())
    path = tmp_path / "result.json"
    for change, told in (
        ({"config": None}, "from=<run folder>"),
        ({"config": {**result["config"], "format": FORMAT + 1}}, "upgrade"),
        ({"config": {**result["config"], "seed": "${oc.env:HOME}"}}, "seed=${oc.env:HOME}"),
        ({"config": {**result["config"], "schedule": {"_target_": "os.system"}}}, "os.system"),
    ):
        path.write_text(json.dumps({**result, **change}))
        message = mistake(nmt("train", f"from={path}"))
        assert str(path) in message
        assert told in message
    path.write_text("{")
    assert str(path) in mistake(nmt("train", f"from={path}"))
    assert "no such folder" in mistake(nmt("train", f"from={tmp_path / 'nowhere'}"))


def test_what_was_made_elsewhere_is_repeated_with_a_warning(origin, tmp_path):
    run = Path(shutil.copytree(origin, tmp_path / "run"))
    result = json.loads((run / "result.json").read_text())
    result |= {"device": "another processor", "versions": {**result["versions"], "torch": "2.0"}}
    (run / "result.json").write_text(json.dumps(result))

    answer = train(f"from={run}", "train.max_steps=1", f"hydra.run.dir={tmp_path / 'again'}")

    (warning,) = [line for line in answer.err.splitlines() if line.startswith("nmt: ")]
    assert "torch 2.0, now 2." in warning
    assert "device another processor, now" in warning
    assert "precision" not in warning
    assert "rounding" in warning
