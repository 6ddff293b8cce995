"""The model that comes with nmt: it translates before any training, and can be trained again."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from command import files, mistake, nmt
from safetensors.torch import load_file

import nmt as api
from nmt.catalog.models import composed
from nmt.config.settings import settings
from nmt.runs.folder import read_config, stored
from nmt.runs.sample import is_sample, results_folder, sample_folder

FOLDER = sample_folder()
VERSE = "Und Gott sprach: Es werde Licht! Und es ward Licht."
TEXT = [VERSE, "Ich bin der Herr, dein Gott."]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_small_and_holds_no_sentence():
    assert files(FOLDER) == [
        *("config.yaml", "model.safetensors", "result.json", "tokenizer"),
        *("tokenizer/source.model", "tokenizer/target.model"),
    ]
    tensors = load_file(FOLDER / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.bfloat16"}
    assert sum(tensor.numel() for tensor in tensors.values()) <= 2_000_000
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 5_000_000


def test_it_was_trained_by_the_experiment_beside_it():
    kept = read_config(FOLDER)

    ours, theirs = settings(stored(kept)), settings(stored(composed(["experiment=sample"])))
    assert {key: ours.get(key) for key in theirs} == theirs
    assert kept.data.target_version == "4", "the World English Bible, in the public domain"


def test_it_travels_in_the_wheel():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included[FOLDER.name] == "nmt/sample"


def test_it_translates_and_draws_in_an_empty_folder(here):
    answer = nmt("translate", "run=sample", "heatmap=pictures", stdin=f"{VERSE}\n".encode())

    assert answer.code == 0, answer.err
    assert re.search("God said.*light", answer.out)
    assert files(here) == ["pictures", "pictures/sentence-1.png"]


def test_python_loads_it_by_its_name(here):
    model = api.load("sample")

    assert "God said" in model.translate(VERSE)
    assert model.attention(VERSE).weights.shape[-1] > 5
    assert files(here) == []


def test_results_of_commands_go_to_the_current_folder_not_into_the_package(here):
    before = files(FOLDER)
    for side in ("de", "en"):
        Path(f"text.{side}").write_text("\n".join(TEXT) + "\n")
    data = ("data=files", "data.test=[text.de,text.en]")
    for words in (
        ["evaluate", "run=sample", *data, "heatmaps=0"],
        ["align", "run=sample", "source=text.de", "target=text.en", "heatmaps=0"],
        ["score", "run=sample", "source=text.de", "target=text.en"],
    ):
        answer = nmt(*words)
        assert answer.code == 0, answer.err
        assert str(FOLDER) not in answer.err, "what is to be typed next names it as it was typed"
    assert Path("runs/sample/evaluation/files-test/result.json").is_file()
    assert list(Path("runs/sample/alignment").glob("*/alignments.txt"))
    assert files(FOLDER) == before
    assert "nmt evaluate run=sample" in nmt("explore", "sample").err


def test_what_needs_a_checkpoint_says_what_to_do_instead(here):
    message = mistake(nmt("train", "resume=sample"))
    assert "init=sample" in message
    assert "from=sample" in message


def test_a_folder_with_its_name_comes_first(here, trained):
    assert is_sample(FOLDER)
    assert results_folder(trained) == trained
    shutil.copytree(trained, "sample")
    answer = nmt("translate", "run=sample", "input=/dev/null")
    assert answer.code == 0, answer.err
    assert not is_sample(Path("sample"))
