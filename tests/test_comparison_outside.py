"""Scores of sentences that come from outside: read, tested, and refused where anything is odd."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import mistake, nmt
from comparison_runs import NONE, configured, write_scored

from nmt.comparison.comparison import compare
from nmt.comparison.crossed import against
from nmt.comparison.outside import read_scores
from nmt.comparison.runs import find_runs
from nmt.comparison.tables import others
from nmt.comparison.values import Values
from nmt.errors import UserError

NUM = 12  # sentences


@pytest.fixture
def grid(tmp_path) -> Path:
    for name, attention, wrong in (("bahdanau", None, 0.1), ("none", NONE, 0.5)):
        for seed in (1, 2):
            folder = tmp_path / "runs" / f"attention={name},seed={seed}"
            write_scored(folder, configured(attention, seed=seed), wrong, num=NUM)
    return tmp_path / "runs"


def scored(grid: Path) -> dict[str, np.ndarray]:
    """A score for each sentence of each run; those of `none` are lower."""
    random = np.random.default_rng(1)
    return {
        run.name: random.normal(0.6 if "none" in run.name else 0.8, 0.05, NUM)
        for run in sorted(grid.iterdir())
    }


def table(values: dict[str, np.ndarray], header: str = "run\tline\tcomet") -> list[str]:
    """The lines of a file."""
    return [header] + [
        f"{run}\t{place}\t{value!r}"
        for run, found in values.items()
        for place, value in enumerate(found.tolist(), start=1)
    ]


@pytest.mark.usefixtures("without_plots")
def test_a_score_from_outside_is_a_column_and_is_tested_like_the_others(grid, tmp_path):
    values = scored(grid)
    file = tmp_path / "of a=b.tsv"  # a name that Hydra would not read
    file.write_text("".join(f"{line}\n" for line in table(values)))

    answer = nmt("compare", grid, "baseline=none", f"scores={file}", "num_sentences=0")

    assert answer.code == 0, answer.err
    tables = [
        Values(
            name, (np.stack([values[f"attention={name},seed={seed}"] for seed in (1, 2)]),), ("",)
        )
        for name in ("bahdanau", "none")
    ]
    expected = against(tables, "none").differences["bahdanau"]
    variant = json.loads((grid / "comparison" / "comparison.json").read_text())["variants"][0]
    assert variant["tests"]["comet"]["p"] == pytest.approx(expected.p)
    assert variant["tests"]["comet"]["difference"] == pytest.approx(expected.delta)
    assert variant["measures"]["comet"]["mean"] == pytest.approx(tables[0].score)
    assert "Δ comet" in answer.out
    assert f"{expected.delta:+.4f} *" in answer.out
    assert "comet" in (grid / "comparison" / "comparison.csv").read_text().splitlines()[0]


def test_several_scores_files_and_ways_to_name_a_run(grid, tmp_path, monkeypatch):
    values = scored(grid)
    monkeypatch.chdir(tmp_path)
    one, other = tmp_path / "one.tsv", tmp_path / "other.tsv"
    two = [f"{line}\t{9 + number % 3}" for number, line in enumerate(table(values)[1:])]
    two.append("failed\t1\t0.5\t3")  # of a run that is not compared
    one.write_text("\r\n".join(["run\tline\tcomet\tpeople", *two]))
    whole = {f"runs/{name}": found * 100 for name, found in values.items()}
    other.write_text("\n".join(table(whole, "run\tline\txcomet")))

    found = compare(find_runs([grid]), "none", [], [one, other])

    assert list(found.tests) == ["bleu", "chrf", "loss", "rep", "comet", "people", "xcomet"]
    assert found.tests["xcomet"].differences["attention=bahdanau"].p == pytest.approx(
        found.tests["comet"].differences["attention=bahdanau"].p
    )
    header, row = others(found).header, others(found).rows[0]
    shown = [row[header.index(name)] for name in ("comet", "people", "xcomet")]
    assert [len(cell.partition(".")[2]) for cell in shown] == [4, 2, 2]


def changed(lines: list[str], place: int, text: str | None) -> list[str]:
    """The lines with another one at a place, or without it."""
    return [*lines[:place], *([] if text is None else [text]), *lines[place + 1 :]]


FIRST = "attention=bahdanau,seed=1"


@pytest.mark.parametrize(
    ("place", "line", "told"),
    [
        (0, "run line comet", "line 1: has to be run, line and the name of a score"),
        (0, f"{FIRST}\t1\t0.5", "line 1: has to be run, line and the name of a score"),
        (0, "run\tline\tbleu", "line 1: a column bleu already exists"),
        (0, "run\tline\tseeds", "line 1: a column seeds already exists"),
        (0, "run\tline\tdrop rate", "line 1: a column drop rate begins with the name of one"),
        (0, "run\tline\tcomet\x1b[2J", "line 1: has to be run, line and the name of a score"),
        (3, f"{FIRST}\t3", "line 4: 2 columns between tabs, and 3 in line 1"),
        (3, f"{FIRST}\t3\t", "line 4:  is not a finite number"),
        (3, f"{FIRST}\t3\t0,5", "line 4: 0,5 is not a finite number"),
        (3, f"{FIRST}\t3\tnan", "line 4: nan is not a finite number"),
        (3, f"{FIRST}\t0\t0.5", "line 4: line=0: .*seed=1 has lines 1 to 12"),
        (3, f"{FIRST}\t13\t0.5", "line 4: line=13: .*seed=1 has lines 1 to 12"),
        (3, f"{FIRST}\t2\t0.5", f"line 4: line 2 of {FIRST} occurs twice"),
        (3, "seed=1\t3\t0.5", "has 11 of the 12 lines of .*bahdanau,seed=1; line 3 is missing"),
        (3, None, "has 11 of the 12 lines of .*bahdanau,seed=1; line 3 is missing"),
        (3, "attention=bahdanau,seed=3\t3\t0.5", "has 11 of the 12 lines"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(place, line, told, grid, tmp_path):
    file = tmp_path / "scores.tsv"
    file.write_text("\n".join(changed(table(scored(grid)), place, line)))

    with pytest.raises(UserError, match=f"scores.tsv(:|,) {told}"):
        compare(find_runs([grid]), "none", [], [file])


def test_names_that_several_runs_have_and_files_that_are_not_there_are_told(grid, tmp_path):
    write_scored(tmp_path / "more" / FIRST, configured(seed=3), 0.2, num=NUM)
    runs = find_runs([grid, tmp_path / "more"])
    file = tmp_path / "scores.tsv"
    file.write_text("\n".join(table(scored(grid))))

    with pytest.raises(
        UserError, match=rf"line 2: run={FIRST}: .*runs.* and .*more.* both end like this"
    ):
        read_scores([file], runs, [])
    assert "nowhere.tsv: there is no such file" in mistake(
        nmt("compare", grid, "scores=nowhere.tsv")
    )
    with pytest.raises(UserError, match="a column comet already exists"):
        read_scores([file, file], find_runs([grid]), [])
    (grid / FIRST / "hypotheses.txt").unlink()
    with pytest.raises(UserError, match=f"{FIRST} has no hypotheses.txt"):
        read_scores([file], find_runs([grid]), [])
