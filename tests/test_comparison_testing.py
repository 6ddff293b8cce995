"""The test of methods in `nmt compare`: from run folders with several seeds to p, and why not."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import nmt
from comparison_runs import DOT, NONE, RESULT, configured, text, write_run, write_scored

from nmt.comparison import crossed
from nmt.comparison.cells import p_value
from nmt.comparison.comparison import compare
from nmt.comparison.files import to_json
from nmt.comparison.influence import sentence_counts
from nmt.comparison.runs import find_runs
from nmt.comparison.tables import differences, grids_in_short, others, quality
from nmt.comparison.testing import Counted, all_against
from nmt.comparison.values import values_of
from nmt.metrics.bleu import bleu_and_chrf_of
from nmt.runs.files import lines_of

SCORES = ("bleu", "chrf", "loss")


@pytest.fixture
def grid(tmp_path) -> Path:
    """Two variants of two seeds."""
    for name, attention, wrong in (("bahdanau", None, 0.1), ("none", NONE, 0.5)):
        for seed in (1, 2):
            folder = tmp_path / f"attention={name},seed={seed}"
            write_scored(folder, configured(attention, seed=seed), wrong)
    return tmp_path


def by_hand(folder: Path) -> dict[str, crossed.Tested]:
    """The same tests, out of the files of the runs."""
    runs: dict[str, list[dict]] = {}
    for name in ("bahdanau", "none"):
        for seed in (1, 2):
            run = folder / f"attention={name},seed={seed}"
            lines = [lines_of(run / f"{one}.txt") for one in ("hypotheses", "references")]
            counts = sentence_counts(bleu_and_chrf_of("en"), *lines)
            counts["loss"] = np.loadtxt(run / "losses.txt", delimiter="\t")
            runs.setdefault(f"attention={name}", []).append({"test": counts})
    return {
        score: crossed.against(
            [values_of(name, score, found) for name, found in runs.items()], "attention=none"
        )
        for score in SCORES
    }


@pytest.mark.usefixtures("without_plots")
def test_two_variants_of_two_seeds_are_tested_in_every_score(grid):
    answer = nmt("compare", grid, "baseline=none", "num_sentences=0")

    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert all(
        len(line) <= 80
        for line in lines[: next(i for i, line in enumerate(lines) if line.startswith("Δ"))]
    )
    assert "which four of five such comparisons would find" in answer.out.replace("\n", " ")
    assert "p boot." not in answer.out
    found = json.loads((grid / "comparison" / "comparison.json").read_text())
    with (grid / "comparison" / "comparison.csv").open() as file:
        cells, base = csv.DictReader(file)
    for score, expected in by_hand(grid).items():
        one = expected.differences["attention=bahdanau"]
        test = found["variants"][0]["tests"][score]
        assert test["difference"] == pytest.approx(one.delta)
        assert [test["low"], test["high"]] == pytest.approx(list(one.interval))
        assert (test["p"], test["p_holm"]) == (pytest.approx(one.p), pytest.approx(one.p))
        assert (test["df"], test["visible"]) == pytest.approx((one.df, one.visible))
        assert float(cells[f"{score}_p"]) == test["p"] < 0.05
        assert base[f"{score}_p"] == ""
        assert found["tests"][score]["smallest_visible_difference"] == pytest.approx(one.visible)
    assert found["variants"][0]["tests"]["loss"]["difference"] < 0, "lower is better"


def test_the_tables_say_what_was_found(grid):
    found = compare(find_runs([grid]), "none", [])
    tests = by_hand(grid)

    one = tests["bleu"].differences["attention=bahdanau"]
    low, high = one.interval
    assert quality(found).header[3:] == ["Δ", "95 %", "p", "p Holm"]
    assert quality(found).rows[0][3:5] == [f"{one.delta:+.2f}", f"{low:.2f} to {high:.2f}"]
    assert quality(found).rows[1][3:] == ["baseline", "", "", ""]
    assert [row[1] for row in differences(found).rows] == ["BLEU", "chrF", "loss", "REP"]
    assert differences(found) not in grids_in_short(found)
    header = others(found).header
    for name in ("Δ chrF", "Δ loss"):
        assert others(found).rows[0][header.index(name)].endswith(" *")
        assert others(found).rows[1][header.index(name)] == ""
    notes = "\n".join(quality(found).notes)
    assert "the number of variants tested in a score, 1." in notes
    visible = [
        f"{tests[score].visible:.{digits}f}"
        for score, digits in zip(SCORES, (2, 2, 3), strict=True)
    ]
    assert f"{visible[0]} BLEU, {visible[1]} chrF, {visible[2]} loss, " in notes


def test_a_variant_that_is_less_steady_is_named_and_holm_counts_the_table(grid):
    for seed, wrong in enumerate((0.02, 0.4, 0.8), start=1):
        write_scored(grid / f"dot{seed}", configured(DOT, seed=seed), wrong)
    for seed in range(1, 4):
        config = configured(model__dropout=0.5, seed=seed)
        write_scored(grid / f"more{seed}", config, 0.4 + seed / 1000)

    found = compare(find_runs([grid]), "none", [])

    (unsteady,) = found.tests["bleu"].own_variance
    assert unsteady.startswith("attention=luong_dot")
    (note,) = [one for one in quality(found).notes if "less steady" in one]
    assert f"with their own: {unsteady} (BLEU, chrF" in note
    p = {name: one.p for name, one in found.tests["bleu"].differences.items()}
    best = min(p, key=lambda one: p[one])
    assert found.tests["bleu"].corrected[best] == 3 * p[best]
    (row,) = [row for row in to_json(found)["variants"] if row["variant"] == best]
    assert (row["tests"]["bleu"]["p"], row["tests"]["bleu"]["p_holm"]) == (p[best], 3 * p[best])
    shown = [row[5:] for row in quality(found).rows if row[5]]
    corrected = found.tests["bleu"].corrected
    assert shown == [[p_value(p[name]), p_value(corrected[name])] for name in p]
    assert any(first != second for first, second in shown)


def test_one_seed_is_told_once_for_all_scores_and_variants(grid):
    shutil.rmtree(grid / "attention=none,seed=2")
    write_scored(grid / "dot", configured(DOT), 0.3)

    notes = quality(compare(find_runs([grid]), "none", [])).notes

    assert [note for note in notes if "only one seed" in note] == [
        "No p: attention=none has only one seed, and one run does not show how much a score varies "
        "with the seed: train it with another seed. One run each can only show whether these two "
        "runs differ, not whether the methods do."
    ]
    found = compare(find_runs([grid]), "attention=bahdanau", [])
    (note,) = [note for note in quality(found).notes if "only one seed" in note]
    assert note.startswith("No p: only one seed, and")
    write_scored(grid / "dot2", configured(DOT, seed=2), 0.31)
    found = compare(find_runs([grid]), "attention=bahdanau", [])
    (note,) = [note for note in quality(found).notes if "only one seed" in note]
    assert note.startswith("No p for attention=none: only one seed, and")
    assert [row[0] for row in quality(found).rows if not row[4]] == ["bahdanau", "none"]


def test_runs_of_before_losses_were_kept_have_no_p_of_the_loss_until_evaluated(grid):
    run = grid / "attention=bahdanau,seed=2"
    losses = (run / "losses.txt").rename(grid / "kept")
    found = compare(find_runs([grid]), "none", [])

    assert "attention=bahdanau" in found.tests["bleu"].differences
    assert not found.tests["loss"].differences
    assert (
        "No p of loss: the scores of single sentences were not kept: `nmt evaluate run=RUN` keeps "
        "them." in quality(found).notes
    )
    change = others(found).rows[0][-1]
    assert change.startswith("-0."), "the difference is known"
    assert not change.endswith("*"), "and not tested"

    again = run / "evaluation" / "files-test"
    again.mkdir(parents=True)
    for name in ("sources.txt", "references.txt"):
        shutil.copy(run / name, again)
    losses.rename(again / "losses.txt")
    for weights, tested in (("checkpoints/step-1/model.safetensors", 0), ("model.safetensors", 1)):
        (again / "result.json").write_text(json.dumps({"weights": weights}))
        found = compare(find_runs([grid]), "none", [])
        assert len(found.tests["loss"].differences) == tested
    (again / "references.txt").write_text("another\n" * 40)
    assert not compare(find_runs([grid]), "none", []).tests["loss"].differences


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1.5\t3\n" * 39, "losses.txt has 39 lines"),
        ("1.5\t3\n" * 39 + "1.5 3\n", "losses.txt, line 40: is not nats"),
        ("nan\t3\n" + "1.5\t3\n" * 39, "losses.txt, line 1: is not nats"),
        ("1.5\t0\n" * 40, "losses.txt, line 1: is not nats"),
    ],
)
def test_damaged_losses_are_told(content, told, grid):
    (grid / "attention=none,seed=2" / "losses.txt").write_text(content)

    (one,) = compare(find_runs([grid]), "none", []).missing

    assert told in one.run.why


def test_texts_that_are_not_of_the_result_are_told(grid):
    write_run(grid / "other", configured(DOT), {**RESULT, "bleu": 20.0}, text(0))

    (note,) = compare(find_runs([grid]), "none", []).notes

    assert "in 1 of the 5 runs" in note
    assert f"{grid / 'other'} (20.00 and 100.00)" in note


def test_counts_are_all_that_a_test_needs():
    """As a ledger keeps them; what a variant lacks does not keep the others from being tested."""
    random = np.random.default_rng(1)

    def runs(number: int, shift: float, *names: str) -> list[dict]:
        pieces = np.full(30, 5.0)
        return [
            {"test": {n: np.stack([random.normal(shift, 1, 30), pieces], 1) for n in names}}
            for _ in range(number)
        ]

    variants = [
        Counted("a", "rnn", runs(2, 10, "loss", "people")),
        Counted("b", "rnn", runs(3, 12, "loss", "people")),
        Counted("c", "rnn", runs(2, 10, "loss")),
        Counted("d", "rnn", [*runs(1, 10, "loss", "people"), {"test": {}}]),
        Counted("e", "rnn", runs(1, 10, "loss", "people")),
    ]
    variants[2].runs[1]["test"]["loss"][7, 0] = np.nan

    found = all_against(variants, "a", ("loss", "people"))

    assert found["loss"].differences.keys() == found["people"].differences.keys() == {"b"}
    assert found["loss"].differences["b"].p < 0.001
    assert list(found["loss"].untested) == ["c", "d", "e"]
    assert "c, run 2, sentence 1 of test" in found["loss"].untested["c"]
    assert "were not kept" in found["people"].untested["c"]
    assert found["people"].untested["d"] == found["people"].untested["c"]
    assert found["people"].untested["e"].startswith("only one seed")
    for run in variants[1].runs:
        run["test"]["loss"][4, 1] = 6
    tokenized = all_against(variants, "a", ("loss",))["loss"]
    assert "with the same tokenizer" in tokenized.untested["b"]
    without = all_against(variants, "c", ("people",))["people"]
    assert (without.differences, without.visible) == ({}, None)
    assert set(without.untested) == {"a", "b", "d", "e"}
    assert set(without.untested.values()) == {f"of c {found['people'].untested['c']}"}
