"""Runs become variants, variants rows; what cannot be compared is refused or marked."""

import json
from pathlib import Path

import pytest
from comparison_runs import DOT, NONE, RESULT, SIGNATURES, configured, text, write_run

from nmt.comparison.comparison import compare, default_output
from nmt.comparison.files import to_csv, to_json, to_latex, to_markdown
from nmt.comparison.runs import find_runs
from nmt.comparison.tables import cost, dev, grids, missing, others, quality
from nmt.comparison.variants import choose
from nmt.errors import UserError


def worse(seed: int, share: int = 3) -> list[str]:
    """The references with a line in so many that says something else."""
    return [
        other if (place + seed) % share == 0 else line
        for place, (line, other) in enumerate(zip(text(0), text(3), strict=True))
    ]


@pytest.fixture
def sweep(tmp_path):
    """Two attentions, three seeds, one failure and one interrupted run."""
    for seed in (1, 2, 10):
        for name, attention, bleu in (("bahdanau", None, 30.0), ("none", NONE, 20.0)):
            write_run(
                tmp_path / f"attention={name},seed={seed}",
                configured(attention, seed=seed),
                {**RESULT, "bleu": bleu + seed, "seed": seed},
                text(0) if name == "bahdanau" else worse(seed),
            )
    write_run(tmp_path / "attention=luong_dot,seed=1", configured(DOT))
    write_run(tmp_path / "attention=odd", None)
    (tmp_path / "attention=odd" / "failure.txt").write_text("attention=odd: too wide\n\nTrace\n")
    return tmp_path


def test_runs_that_differ_in_their_seed_are_one_variant(sweep):
    found = compare(find_runs([sweep]), None, [])

    assert [variant.name for variant in found.variants] == ["attention=bahdanau", "attention=none"]
    assert [variant.seeds for variant in found.variants] == [[1, 2, 10], [1, 2, 10]]
    bleu = found.rows[0].statistics["bleu"]
    assert (bleu.mean, bleu.number) == (pytest.approx(103 / 3), 3)
    assert bleu.deviation == pytest.approx(4.932883)  # of 31, 32, 40
    assert found.rows[0].difference is None
    assert found.rows[1].difference == pytest.approx(-10)
    assert found.settings["attention"] == ["bahdanau", "none"]


def test_runs_without_a_result_are_rows_that_say_why(sweep):
    found = missing(compare(find_runs([sweep]), None, []))

    assert found.rows == [
        ["attention=luong_dot", "1", "unfinished: step 20"],
        ["attention=odd", "", "failed: attention=odd: too wide"],
    ]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        (None, "attention=bahdanau"),
        ("none", "attention=none"),
        ("attention=none", "attention=none"),
    ],
)
def test_a_baseline_is_named_in_full_or_in_part(sweep, name, chosen):
    assert compare(find_runs([sweep]), name, []).baseline.name == chosen


def test_a_baseline_that_is_none_or_several_is_told(sweep):
    variants = compare(find_runs([sweep]), None, []).variants

    with pytest.raises(UserError, match=r"baseline=cosine: no .*=bahdanau; attention=none"):
        choose(variants, "cosine")


def test_names_hold_what_differs_and_nothing_that_a_part_implies(tmp_path):
    settings = [configured(), configured(NONE), configured(NONE, model__dropout=0.5)]
    settings[0]["attention"] = settings[0]["model"]["attention"] = {
        **settings[0]["attention"],
        "width": 7,
    }
    for number, config in enumerate(settings):
        write_run(tmp_path / str(number), config, RESULT)

    found = compare(find_runs([tmp_path]), None, [])

    assert [variant.name for variant in found.variants] == [
        "attention=bahdanau, model.dropout=0.25",
        "attention=none, model.dropout=0.25",
        "attention=none, model.dropout=0.5",
    ]
    assert found.settings["attention.width"] == [7, "–", "–"]


def test_one_run_twice_is_told(tmp_path):
    for name in "ab":
        write_run(tmp_path / name, configured(), RESULT)

    with pytest.raises(UserError, match="the same settings and the same seed, 1"):
        compare(find_runs([tmp_path]), None, [])


OTHER = {**SIGNATURES, "bleu": "tok:zh|version:2.6.0"}


@pytest.mark.parametrize(
    ("condition", "changes", "result", "references", "told"),
    [
        ("data", {"data__source": "fr"}, {}, None, "data.source is de in .* and fr in"),
        ("data", {"clean__max_pieces": 80}, {}, None, "clean.max_pieces is 60 in .* and 80 in"),
        ("test", {}, {"split": "dev"}, None, "split is test in .* and dev in"),
        ("test", {"seed": 2}, {}, text(5), "sources.txt and references.txt is"),
        ("tokenizer", {"tokenizer__size": 500}, {}, None, "tokenizer.size is 1000"),
        ("budget", {"train__max_steps": 80}, {}, None, "train.max_steps is 40 in .* and 80 in"),
        ("budget", {"train__max_minutes": 5}, {}, None, "train.max_minutes is none in .* and 5"),
        ("signature", {"seed": 2}, {"signatures": OTHER}, None, "signature of bleu is tok:13a"),
    ],
)
def test_what_must_be_the_same_is_refused_or_marked(
    condition, changes, result, references, told, tmp_path
):
    write_run(tmp_path / "a", configured(), RESULT)
    write_run(tmp_path / "b", configured(NONE, **changes), {**RESULT, **result}, None, references)
    runs = find_runs([tmp_path])

    with pytest.raises(UserError, match=f"(?s)differ in {condition}: .*{told}.*allow=.{condition}"):
        compare(runs, None, [])

    found = compare(runs, None, [condition])
    assert [row.marks for row in found.rows] == [[], [1]]
    assert found.footnotes[0].startswith(f"{condition}: ")
    assert quality(found).rows[1][0].endswith(" ¹")
    assert f"\n¹ {found.footnotes[0]}\n" in to_markdown(found, [])


def test_allowing_what_there_is_not_is_told(tmp_path):
    write_run(tmp_path / "a", configured(), RESULT)

    with pytest.raises(
        UserError, match="allow=bugdet: choose one of data, test, tokenizer, budget"
    ):
        compare(find_runs([tmp_path]), None, ["bugdet"])


def write_alignment(run: Path, name: str, result: str) -> None:
    folder = run / "alignment" / name
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result)


def test_alignment_errors_of_different_texts_are_not_mixed(tmp_path):
    for seed, aligned in ((1, "bible-test"), (2, "news-test")):
        run = write_run(tmp_path / aligned, configured(seed=seed), RESULT)
        write_alignment(run, aligned, '{"aer": 0.25}')
    with pytest.raises(UserError, match="differ in alignment: the aligned text is bible-test"):
        compare(find_runs([tmp_path]), None, [])
    compare(find_runs([tmp_path]), None, ["alignment"])


def test_what_was_not_measured_is_blank_and_never_zero(tmp_path):
    scores = ("bleu", "chrf", "ter", "bleu_tok_lc", "signatures")
    write_run(tmp_path / "new", configured(), RESULT)
    old = write_run(tmp_path / "old", configured(NONE), {key: RESULT[key] for key in scores})
    for name in ("hypotheses", "references", "sources"):
        (old / f"{name}.txt").unlink()
    (old / "metrics.jsonl").unlink()
    write_alignment(tmp_path / "new", "bible-test", '{"aer": 0.25}')
    write_alignment(tmp_path / "new", "bible-dev", '{"aer": 0.75}')
    write_alignment(tmp_path / "new", "news-test", '{"links": 3}')
    checkpoint = '{"aer": 0.5, "weights": "checkpoints/step-0000010/model.safetensors"}'
    write_alignment(tmp_path / "new", "early-test", checkpoint)

    found = compare(find_runs([tmp_path]), None, [])

    assert dev(found).header[4] == "AER"
    assert dev(found).rows[0][4] == "0.250"
    assert cost(found).rows[0][1] == "4,960,000"
    for table in (dev(found), cost(found)):
        assert table.rows[1] == ["none", *[""] * (len(table.header) - 1)]
    assert quality(found).rows[1][3:] == ["+0.00"]
    assert any("not known" in note for note in found.notes)
    header, *rows = [line.split(",") for line in to_csv(found).splitlines()]
    row = dict(zip(header, rows[1], strict=True))
    assert (row["bleu"], row["parameters"], row["bleu_p"]) == ("20.0", "", "")
    variant = to_json(found)["variants"][1]
    assert "parameters" not in variant["measures"]
    assert variant["these_two_runs"] is None


def test_the_loss_of_the_test_set_is_a_column_where_a_run_has_it(tmp_path):
    write_run(tmp_path / "old", configured(), RESULT)
    assert others(compare(find_runs([tmp_path]), None, [])).header[-1] == "BLEU lc"

    write_run(tmp_path / "new", configured(NONE), {**RESULT, "loss": 2.9431})
    found = others(compare(find_runs([tmp_path]), None, []))

    assert found.header[-2:] == ["loss", "Δ loss"]
    assert [row[-2:] for row in found.rows] == [["2.943", ""], ["", ""]]


def test_a_damaged_run_says_so(tmp_path):
    write_run(tmp_path / "whole", configured(), RESULT)
    (write_run(tmp_path / "json", configured(), RESULT) / "result.json").write_text("{")
    (write_run(tmp_path / "yaml", configured(), RESULT) / "config.yaml").write_text("a: [")
    write_run(tmp_path / "short", configured(), RESULT, ["one"])
    write_run(tmp_path / "empty", configured(), {"seed": 3})

    found = compare(find_runs([tmp_path]), None, [])

    reasons = [one.run.why for one in found.missing]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "result.json has no BLEU",
        "result.json cannot be read",
        "hypotheses.txt has 1 lines, references.txt has 40 lines, sources.txt has 40 lines",
        "config.yaml cannot be read",
    ]


def test_nothing_to_compare_is_told(tmp_path):
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="has no run"):
        find_runs([tmp_path])
    write_run(tmp_path / "a", configured())
    with pytest.raises(UserError, match=r"none of the 1 runs has a result.*unfinished"):
        compare(find_runs([tmp_path]), None, [])


def test_every_form_has_every_variant(sweep):
    found = compare(find_runs([sweep]), None, [])

    assert len(to_csv(found).splitlines()) == 1 + 2 + 2
    assert json.loads(json.dumps(to_json(found)))["baseline"] == "attention=bahdanau"
    latex = to_latex(found)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 8
    assert r"attention=luong\_dot" in latex
    assert r"\textbf{34.33 $\pm$ 4.93}" in latex
    markdown = to_markdown(found, [("A plot", "figures/a.png")])
    assert "| none | 1 2 10 | 24.33 ± 4.93 | -10.00 |" in markdown
    assert "![A plot](figures/a.png)" in markdown
    assert [grid.title for grid in grids(found)] == [
        *("Test set", "Other scores of the test set", "Differences to attention=bahdanau"),
        *("Words of the test set", "BLEU by source length"),
        *("Dev set", "Cost", "Without a result"),
    ]


def test_where_a_report_goes(tmp_path):
    one, other = tmp_path / "a" / "x", tmp_path / "b"

    assert default_output([one]) == one / "comparison"
    assert default_output([one, other]) == tmp_path / "comparison"
