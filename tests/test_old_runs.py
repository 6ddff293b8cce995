"""Run folders of each kept format, in tests/old_runs, translate, resume and compare today."""

import shutil
from pathlib import Path

import pytest
import yaml
from command import nmt
from number_language import write_numbers

from nmt.comparison.comparison import compare
from nmt.comparison.runs import find_runs, read_run
from nmt.runs.files import lines_of
from nmt.runs.lifting import FORMAT

OLD = sorted((Path(__file__).parent / "old_runs").glob("format-*"))


@pytest.fixture(params=OLD, ids=lambda path: path.name)
def old(request, tmp_path, monkeypatch) -> Path:
    """A copy of an old run in the current folder, beside its corpus."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers").mkdir()
    write_numbers(tmp_path / "numbers")
    shutil.copytree(request.param, "grid/old")
    return Path("grid/old")


def test_a_run_of_the_current_format_is_kept():
    kept = {yaml.safe_load((run / "config.yaml").read_text())["format"]: run.name for run in OLD}
    assert kept == {number: f"format-{number}" for number in kept}
    assert max(kept) == FORMAT, "keep one before FORMAT changes: python scripts/keep_old_run.py"


def test_an_old_run_translates_as_it_did(old):
    answer = nmt("translate", f"run={old}", f"input={old}/sources.txt", "output=out.txt")
    assert answer.code == 0, answer.err
    assert lines_of(Path("out.txt")) == lines_of(old / "hypotheses.txt")


def test_an_old_run_resumes(old):
    answer = nmt("train", f"resume={old}", "train.max_steps=6")
    assert answer.code == 0, answer.err
    assert "step 4" in answer.err
    assert read_run(old).result["steps"] == 6


def test_an_old_run_and_one_of_today_are_the_same_variant(old):
    answer = nmt("train", f"from={old}", "seed=2", "train.max_steps=1", "hydra.run.dir=grid/new")
    assert answer.code == 0, answer.err
    before, now = (read_run(run).settings for run in (old, Path("grid/new")))
    assert now == before | {"seed": 2, "train.max_steps": 1}


@pytest.mark.usefixtures("without_plots")
def test_old_runs_and_one_of_today_are_compared(trained, tmp_path):
    for run in (*OLD, trained):
        shutil.copytree(run, tmp_path / "grid" / run.name)
    shutil.copytree(OLD[0], tmp_path / "grid" / "again")
    config = tmp_path / "grid" / "again" / "config.yaml"
    config.write_text(config.read_text().replace("\nseed: 1\n", "\nseed: 2\n"))
    answer = nmt("compare", tmp_path / "grid", "num_sentences=0", "allow=[budget,data]")
    assert answer.code == 0, answer.err
    assert "1 2" in answer.out, "one row with both seeds"
    found = compare(find_runs([tmp_path / "grid"]), None, ["budget", "data"])
    assert len(found.variants) == len(OLD) + 1
