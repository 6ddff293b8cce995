"""One run against one run: p as sacreBLEU's command prints it; bands are those of its BLEU."""

import json
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from comparison_runs import NONE, RESULT, configured, text, write_run
from sacrebleu.metrics.bleu import BLEU

from nmt.comparison.comparison import compare
from nmt.comparison.files import to_json, to_markdown
from nmt.comparison.influence import bleu_of_sums, sentence_counts
from nmt.comparison.lengths import band, buckets, source_lengths
from nmt.comparison.runs import find_runs
from nmt.comparison.significance import p_values
from nmt.comparison.tables import two_runs

REFERENCES = text(0)


def worse(seed: int, share: int) -> list[str]:
    """The references with a line in so many that says something else."""
    return [
        other if (place + seed) % share == 0 else line
        for place, (line, other) in enumerate(zip(REFERENCES, text(3), strict=True))
    ]


@pytest.mark.parametrize(("option", "place"), [("--paired-bs", 0), ("--paired-ar", 1)])
def test_p_is_that_of_sacrebleus_command(option, place, tmp_path):
    texts = {"ref": REFERENCES, "a": worse(0, 3), "b": worse(1, 4), "c": worse(0, 2)}
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    words = ["ref", "-i", "a", "b", "c", option, "-m", "bleu", "--format", "json"]
    command = [sys.executable, "-m", "sacrebleu", *words]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = [one["BLEU"]["p_value"] for one in json.loads(answer.stdout)[1:]]

    found = p_values(texts["a"], {name: texts[name] for name in "bc"}, REFERENCES, "13a")

    ours = [found[name][place] for name in "bc"]
    if option == "--paired-bs":
        assert ours == pytest.approx(printed)
    else:  # the same trials, of which sacreBLEU does not count those that are as large
        assert all(0 <= p - theirs < 0.001 for p, theirs in zip(ours, printed, strict=True))
    assert 0 < found["c"][place] < 1


def test_no_difference_is_no_evidence():
    lines = worse(0, 3)

    assert set(p_values(lines, {"same": list(lines)}, REFERENCES, "13a")["same"]) == {1.0}


@pytest.mark.parametrize(("number", "p"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_p_is_exact_where_few_sentences_differ(number, p):
    """All changes are for the better: of 2^n exchanges, two differ as much."""
    references = [f"{line} {place}" for place, line in enumerate(text(0, 1000))]
    baseline = [line.replace(" ", " x ", 1) for line in references]
    other = [references[place] if place < number else line for place, line in enumerate(baseline)]

    found = p_values(baseline, {"other": other}, references, "13a")["other"]

    assert found == (None, p)


def test_an_exact_p_counts_every_exchange_that_differs_as_much():
    """Held against BLEU of all pairs of texts; some sentences are better, others worse."""
    baseline, other = list(REFERENCES), worse(0, 7)
    baseline[3], baseline[11] = text(3)[3], text(3)[11]
    places = [place for place in range(40) if baseline[place] != other[place]]
    score = BLEU(force=True).corpus_score

    differences: list[float] = []
    for exchanged in product((False, True), repeat=len(places)):
        pair = list(baseline), list(other)
        for place in [place for place, does in zip(places, exchanged, strict=True) if does]:
            pair[0][place], pair[1][place] = other[place], baseline[place]
        ours, theirs = (score(lines, [REFERENCES]).score for lines in pair)
        differences.append(abs(ours - theirs))
    as_large = [one for one in differences if one > differences[0] - 1e-9]

    found = p_values(baseline, {"other": other}, REFERENCES, "13a")["other"].randomisation
    assert len(differences) > 64
    assert found == len(as_large) / len(differences)
    assert 2 / len(differences) < found < 1


@pytest.mark.parametrize(
    ("seeds", "tested"),
    [
        ({"bahdanau": [1], "none": [1]}, True),
        ({"bahdanau": [1], "none": [2]}, True),
        ({"bahdanau": [1], "none": [1, 2]}, False),
        ({"bahdanau": [1, 2], "none": [1]}, False),
    ],
)
def test_one_run_against_one_run_is_tested_as_these_two_runs(seeds, tested, tmp_path):
    for name, attention, share in (("bahdanau", None, 7), ("none", NONE, 2)):
        for seed in seeds[name]:
            lines = worse(seed, share)
            write_run(tmp_path / f"{name}{seed}", configured(attention, seed=seed), RESULT, lines)

    found = compare(find_runs([tmp_path]), "bahdanau", [])

    lines = worse(seeds["bahdanau"][0], 7), worse(seeds["none"][0], 2)
    expected = p_values(lines[0], {"none": lines[1]}, REFERENCES, "13a")["none"]
    assert [row.two_runs for row in found.rows] == [None, expected if tested else None]
    table = two_runs(found)
    assert [row[0] for row in table.rows] == ["none"] * tested
    assert "It says nothing of the methods" in table.notes[0]
    assert all("only one seed" in one.untested["attention=none"] for one in found.tests.values())
    variant = to_json(found)["variants"][1]
    assert variant["these_two_runs"] == (expected._asdict() if tested else None)
    assert ("p boot." in to_markdown(found, [])) == tested


def test_runs_of_other_test_sets_are_not_tested(tmp_path):
    write_run(tmp_path / "a", configured(), RESULT)
    write_run(tmp_path / "b", configured(NONE), RESULT, None, text(5))

    found = compare(find_runs([tmp_path]), None, ["test"])

    assert found.rows[1].two_runs is None
    (name,) = found.tests["bleu"].untested
    assert found.tests["bleu"].untested[name].startswith("not scored on the same sentences as")


def test_the_tokenizer_is_that_of_the_signature(tmp_path):
    """An older run of a language whose tokenizer is another one today."""
    write_run(tmp_path / "a", configured(data__target="zho_Hans"), RESULT)
    assert compare(find_runs([tmp_path]), None, []).baseline.runs[0].tokenizer == "13a"

    signatures = {"bleu": "nrefs:1|case:mixed|eff:no|tok:ja-mecab-0.996-IPA|smooth:exp"}
    write_run(tmp_path / "b" / "c", configured(), {**RESULT, "signatures": signatures})
    found = compare(find_runs([tmp_path / "b"]), None, [])
    assert found.baseline.runs[0].tokenizer == "ja-mecab"


def test_summed_counts_give_sacrebleus_score():
    counted = [
        sentence_counts({"bleu": BLEU()}, worse(*how), REFERENCES)["bleu"]
        for how in ((0, 3), (1, 4))
    ]

    scores = [BLEU().corpus_score(worse(*how), [REFERENCES]).score for how in ((0, 3), (1, 4))]
    assert bleu_of_sums(np.stack(counted).sum(1)) == pytest.approx(scores)
    found = band(counted)
    assert found.score == pytest.approx(sum(scores) / 2)
    assert found.low < found.score < found.high


@pytest.mark.parametrize(
    ("lengths", "labels"),
    [
        ([3] * 50, ["3"]),
        ([*range(1, 25)] * 20, ["1–5", "6–10", "11–15", "16–20", "21–24"]),
        ([5] * 100 + [12] * 3 + [35] * 100 + [300], ["5", "6–300"]),
        ([1, 2, 40], ["1–40"]),
    ],
)
def test_buckets_take_every_sentence_once_and_are_not_small(lengths, labels):
    found = buckets(np.array(lengths))

    assert [bucket.label for bucket in found] == labels
    places = np.sort(np.concatenate([bucket.places for bucket in found]))
    assert places.tolist() == list(range(len(lengths)))


def test_lengths_are_words_or_characters():
    assert source_lengths(["ein altes Haus", ""], "de").tolist() == [3, 0]
    assert source_lengths(["古い 家"], "ja").tolist() == [3]
