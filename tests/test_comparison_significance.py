"""p-values are those that sacreBLEU's command line prints; bands are those of its BLEU."""

import json
import subprocess
import sys

import numpy as np
import pytest
from comparison_runs import NONE, RESULT, configured, text, write_run
from sacrebleu.metrics.bleu import BLEU

from nmt.comparison.comparison import compare
from nmt.comparison.lengths import band, bleu, buckets, counts, source_lengths
from nmt.comparison.runs import find_runs
from nmt.comparison.significance import p_values

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

    assert [round(found[name][place], 4) for name in "bc"] == [round(p, 4) for p in printed]
    assert 0 < found["c"][place] < 1


def test_no_difference_is_no_evidence():
    lines = worse(0, 3)

    assert set(p_values(lines, {"same": list(lines)}, REFERENCES, "13a")["same"]) == {1.0}


def test_equal_seeds_are_paired_and_the_largest_p_is_reported(tmp_path):
    for seed, share in ((1, 2), (2, 9), (3, 4)):
        result = {**RESULT, "seed": seed}
        write_run(tmp_path / f"a{seed}", configured(seed=seed), result, REFERENCES)
        if seed < 3:
            lines = worse(seed, share)
            write_run(tmp_path / f"b{seed}", configured(NONE, seed=seed), result, lines)

    row = compare(find_runs([tmp_path]), "bahdanau", []).rows[1]

    expected = {
        seed: p_values(REFERENCES, {"b": worse(seed, share)}, REFERENCES, "13a")["b"]
        for seed, share in ((1, 2), (2, 9))
    }
    assert row.tested == expected
    assert row.p is not None
    assert row.p.bootstrap == max(p.bootstrap for p in expected.values())
    assert row.p.randomisation == max(p.randomisation for p in expected.values())


def test_variants_of_other_test_sets_are_not_tested(tmp_path):
    write_run(tmp_path / "a", configured(), RESULT)
    write_run(tmp_path / "b", configured(NONE), RESULT, None, text(5))

    found = compare(find_runs([tmp_path]), None, ["test"])

    assert found.rows[1].p is None
    assert any(note.startswith("Not tested") for note in found.notes)


def test_summed_counts_give_sacrebleus_score():
    hypotheses = worse(0, 3)
    counted = counts(hypotheses, REFERENCES, "13a")

    assert counted.shape == (len(REFERENCES), 10)
    expected = BLEU().corpus_score(hypotheses, [REFERENCES]).score
    assert bleu(counted.sum(0)) == pytest.approx(expected)
    found = band([counted, counts(worse(1, 4), REFERENCES, "13a")])
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
