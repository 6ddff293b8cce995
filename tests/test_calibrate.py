"""False alarms of the test of two methods, in miniature; docs/statistics.md has them in full."""

import sys

import calibrate
import numpy as np
import pytest
from calibrate import SCENARIOS, UNSTEADY, Simulation, crossed, mean_of, unsteady, usual
from comparison_runs import NONE, RESULT, configured, text, write_run


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_one_in_twenty_equal_methods_is_a_false_alarm(scenario, seeds):
    random = np.random.default_rng(seeds)
    simulation = Simulation(scenario, num_variants=4, num_seeds=seeds, num_sentences=40)

    found = mean_of(crossed(simulation.draw(random)) for _ in range(250))

    assert 0.03 <= found["crossed, pooled"] <= 0.07
    assert 0.03 <= found["crossed, own"] <= 0.07
    assert found["any by Holm"] <= 0.07


def test_the_usual_tests_see_differences_that_are_not_there():
    random = np.random.default_rng(1)
    by_seeds, _, by_sentences = SCENARIOS

    found = [
        mean_of(usual(*Simulation(one, 2, 3, 40).draw(random)) for _ in range(100))
        for one in (by_seeds, by_sentences)
    ]

    assert found[0]["sentences alone"] > 0.15
    assert found[1]["seeds alone"] > 0.3


def test_an_unsteady_variant_does_not_spoil_the_table():
    random = np.random.default_rng(1)
    simulation = Simulation(SCENARIOS[0], 10, 3, 40, UNSTEADY)

    found = mean_of(unsteady(simulation.draw(random)) for _ in range(100))

    assert found["keeps its own"] > 0.6
    assert found["it"] < found["it, always pooled"] / 2
    assert 0.03 <= found["the others"] <= 0.07


def test_runs_of_one_variant_are_split_at_random(tmp_path, monkeypatch, capsys):
    for seed in range(1, 7):
        pairs = enumerate(zip(text(0), text(3), strict=True))
        lines = [right if (i + seed) % 5 else wrong for i, (right, wrong) in pairs]
        write_run(tmp_path / "runs" / str(seed), configured(seed=seed), RESULT, lines, text(0))
    monkeypatch.setattr(sys, "argv", ["calibrate.py", str(tmp_path / "runs"), "--nulls", "3"])

    calibrate.main()

    _, _, *rows = capsys.readouterr().out.strip().splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    expected = [
        [score, *pair]
        for score in ("rep", "bleu", "chrf")
        for pair in (["1", "6"], ["2", "3"], ["3", "2"])
    ]
    assert [row[:3] for row in cells] == expected
    assert all(cell.endswith("%") for row in cells for cell in row[3:] if row[1] != "1")

    write_run(tmp_path / "runs" / "other", configured(NONE, seed=9), RESULT)
    with pytest.raises(SystemExit, match="7 runs of 2 variants"):
        calibrate.main()


def test_the_simulated_tables_are_printed(monkeypatch, capsys):
    words = ["--nulls", "2", "--sentences", "5"]
    monkeypatch.setattr(sys, "argv", ["calibrate.py", *words])
    monkeypatch.setattr(calibrate, "VARIANTS", (4,))

    calibrate.main()

    tables = capsys.readouterr().out.strip().split("\n\n")
    assert [len(one.splitlines()) for one in tables] == [2 + 12, 2 + 6]
