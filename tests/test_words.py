"""What a test says of words: repeated, dropped, rare and frequent ones; and the aligner below."""

import json
import shutil
from collections import Counter
from itertools import product
from pathlib import Path
from random import Random
from statistics import mean

import numpy as np
import pytest
from command import nmt
from comparison_runs import DOT, NONE, configured, write_scored
from scipy.special import digamma

from nmt.comparison.comparison import compare
from nmt.comparison.influence import influence
from nmt.comparison.runs import find_runs
from nmt.comparison.sentences import to_tsv
from nmt.comparison.tables import lengths, words
from nmt.data.corpus import Lines
from nmt.errors import UserError
from nmt.evaluation.training_words import (
    TrainingWords,
    read_frequencies,
    read_training_words,
    write_frequencies,
)
from nmt.evaluation.words import dropped_words, read_dropped
from nmt.links.diagonal import Lexicon
from nmt.metrics.words import BUCKETS, f1_by_frequency, percent, repeated, repetitions

GERMAN = ["ein", "zwei", "drei", "vier", "fünf", "sechs"]
ENGLISH = ["one", "two", "three", "four", "five", "six"]


def drawn(seed: int, num: int = 60, longest: int = 5) -> tuple[list[list[str]], list[list[str]]]:
    """Draw a text whose words translate one to one, in the same order."""
    random = Random(seed)
    lines = [random.choices(range(6), k=random.randint(1, longest)) for _ in range(num)]
    return tuple([[words[n] for n in line] for line in lines] for words in (GERMAN, ENGLISH))


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("a b c", "a b c", {}),
        ("a b a b", "a b c d", {("a", "b"): 1}),  # 2 - 1
        ("a b x a b", "c d", {("a", "b"): 2}),
        ("a b a b", "a b a b", {}),  # the reference repeats it too
        ("a a", "a b", {("a", "a"): 2}),  # once, but a word that follows itself: λ₂
        ("a a a", "a b", {("a", "a"): 2 + 2 * 2}),
        ("a a a", "a a", {("a", "a"): 1 + 2 * 1}),
        ("", "a", {}),
    ],
)
def test_rep_is_the_formula_of_malaviya(hypothesis, reference, expected):
    assert repeated(hypothesis.split(), reference.split()) == expected


def test_rep_is_of_a_hundred_words_of_the_reference():
    counted = repetitions([["a", "a"], ["b"]], [["a", "b", "c"], ["b"]])
    assert counted.tolist() == [[2, 3], [0, 1]]
    assert percent(counted) == pytest.approx(100 * 2 / 4)


def test_f1_of_each_bucket_is_that_of_a_plain_count():
    random = Random(3)
    words = [f"w{n}" for n in range(12)]
    frequency = {word: 4**n for n, word in enumerate(words[2:], 1)}  # 4 to a million; two unseen
    ours, theirs = ([random.choices(words, k=random.randint(0, 9)) for _ in "12345"] for _ in "ab")
    found = f1_by_frequency(ours, theirs, frequency)
    assert set(found) == set(BUCKETS.values())
    bounds = [*BUCKETS, float("inf")]
    for name, low, high in zip(BUCKETS.values(), bounds, bounds[1:], strict=False):
        both = correct = 0
        for hypothesis, reference in zip(ours, theirs, strict=True):
            for word in words:
                if low <= frequency.get(word, 0) < high:
                    h, r = hypothesis.count(word), reference.count(word)
                    correct, both = correct + min(h, r), both + h + r
        assert percent(found[name]) == pytest.approx(100 * 2 * correct / both)
    same = f1_by_frequency(theirs, theirs, frequency)
    assert {percent(one) for one in same.values()} == {100}


def em(source, target):
    """Learn t(f | e) of the model by loops over its formula."""
    pairs = {(e, f) for s, t in zip(source, target, strict=True) for e in ("", *s) for f in t}
    t = dict.fromkeys(pairs, 1.0)
    for _ in range(5):
        expected: Counter[tuple[str, str]] = Counter()
        for s, line in zip(source, target, strict=True):
            for i, f in enumerate(line, 1):
                near = [np.exp(-4 * abs(i / len(line) - j / len(s))) for j in range(1, len(s) + 1)]
                prior = [0.08, *(0.92 * one / sum(near) for one in near)]
                joint = [p * t[e, f] for p, e in zip(prior, ("", *s), strict=True)]
                for e, one in zip(("", *s), joint, strict=True):
                    expected[e, f] += one / sum(joint)
        for e in {e for e, _ in pairs}:
            beside = [f for other, f in pairs if other == e]
            total = sum(expected[e, f] for f in beside) + 0.01 * len(beside)
            for f in beside:
                t[e, f] = np.exp(digamma(expected[e, f] + 0.01) - digamma(total))
    return t


def test_the_aligner_learns_what_loops_over_its_formula_learn():
    source, target = drawn(1, num=25)
    found = Lexicon.learn(source, target)
    expected = em(source, target)
    for e, f in product(("", *GERMAN), ENGLISH):
        numbers = np.array([found.source.get(e, 0)]), np.array([found.target[f]])
        value = expected.get((e, f), 0.0)
        assert found.of(*numbers)[0] == pytest.approx(
            value if value >= 1e-2 or not e else 0, rel=1e-5
        )


def test_the_aligner_links_the_right_words_also_out_of_order_and_after_reading(tmp_path):
    source, target = drawn(2, num=200)
    learned = Lexicon.learn([*source, []], [*target, ["one"]])  # a line without words is left out
    learned.save(tmp_path / "lexicon.npz")
    for lexicon in (learned, Lexicon.load(tmp_path / "lexicon.npz")):
        assert lexicon.links([["drei", "ein"]], [["one", "three"]]) == [{(0, 1), (1, 0)}]
        assert lexicon.links([["ein"], [], ["zwei"]], [[], ["one"], ["two"]]) == [
            frozenset(),
            frozenset(),
            {(0, 0)},
        ]


def known(seed: int = 2) -> TrainingWords:
    """Return the words of a drawn text."""
    source, target = drawn(seed, num=200)
    frequency = Counter(word for line in target for word in line)
    both = Lexicon.learn(source, target), Lexicon.learn(target, source)
    return TrainingWords(dict(frequency), *both)


def test_a_word_is_dropped_that_the_reference_translates_and_the_translation_does_not():
    lines = Lines(["Ein zwei drei", "vier", "fünf sechs"], ["one two three", "four", "five six"])
    found = dropped_words(known(), lines, ["one three", "four", ""], ("de", "en"))
    assert found == [(3, ["zwei"]), (1, []), (2, ["fünf", "sechs"])]


@pytest.mark.parametrize(
    ("line", "said"), [("the", "line 2: is not a word"), ("a\tb", "line 2"), ("\t3", "line 2")]
)
def test_a_damaged_file_of_frequencies_is_refused_with_its_line(tmp_path, line, said):
    path = tmp_path / "frequencies.tsv"
    write_frequencies(path, {"and": 10, "the": 20})
    assert read_frequencies(path) == {"the": 20, "and": 10}
    path.write_text(f"a\t3\n{line}\n")
    with pytest.raises(UserError, match=said):
        read_frequencies(path)


def test_training_keeps_what_the_test_measures_and_evaluating_again_finds_the_same(
    trained, numbers, tmp_path
):
    result = json.loads((trained / "result.json").read_text())
    kept = read_training_words(trained)
    assert kept
    text = Counter((numbers / "train.en").read_text().split())  # before cleaning
    assert kept.frequency
    assert all(10 <= number <= text[word] for word, number in kept.frequency.items())
    dropped = read_dropped(trained)
    assert dropped
    shares = sum(len(one.words) for one in dropped), sum(one.aligned for one in dropped)
    assert result["drop"] == pytest.approx(100 * shares[0] / shares[1])
    assert result["rep"] >= 0
    answer = nmt("evaluate", f"run={trained}", f"output={tmp_path}", "heatmaps=0")
    assert answer.code == 0, answer.err
    assert "DROP" in answer.err
    again = json.loads((tmp_path / "result.json").read_text())
    measured = [key for key in result if key in ("rep", "drop") or key.startswith("f1_")]
    assert len(measured) >= 3
    assert {key: again[key] for key in measured} == {key: result[key] for key in measured}


def test_of_an_older_run_it_is_said_what_is_not_measured(trained, tmp_path):
    run = shutil.copytree(
        trained, tmp_path / "run", ignore=shutil.ignore_patterns("words", "heatmaps")
    )
    output = tmp_path / "evaluation"
    output.mkdir()
    (output / "dropped.tsv").write_text("1\tof another test\n")
    answer = nmt("evaluate", f"run={run}", f"output={output}", "heatmaps=0")
    assert answer.code == 0, answer.err
    assert "not measured: DROP" in answer.err
    assert not (output / "dropped.tsv").exists()
    assert "drop" not in json.loads((output / "result.json").read_text())


def write_words(run: Path, dropped: list[str]) -> None:
    """Add to a run written by hand what a test keeps of words."""
    (run / "dropped.tsv").write_text("".join(f"2\t{words}\n" for words in dropped))
    write_frequencies(run / "frequencies.tsv", {"dog": 2000, "cat": 150, "house": 20})


@pytest.fixture
def grid(tmp_path) -> Path:
    """Two variants of two seeds; of the second a run is of an older nmt."""
    for name, wrong, score in (("none", 0.6, NONE), ("dot", 0.3, DOT)):
        for seed in (1, 2):
            config = configured(score, seed=seed)
            run = write_scored(tmp_path / "runs" / f"{name},seed={seed}", config, wrong)
            if (name, seed) != ("dot", 2):
                write_words(run, ["hund"] * 10 * seed + [""] * (40 - 10 * seed))
    return tmp_path / "runs"


def test_a_comparison_tests_scores_of_words_and_says_of_whom_they_are_not_known(grid):
    runs = find_runs([grid])
    found = compare(runs, "none", [])
    measures = {one.name: one for one in found.measures}
    base = found.base.statistics
    assert base["drop"].mean == pytest.approx((100 * 10 / 80 + 100 * 20 / 80) / 2)
    for score in ("rep", "f1_below_10", "f1_10", "f1_100", "f1_1000"):
        counted = [found.counts[run.folder][run.test_set][score] for run in found.baseline.runs]
        assert base[score].mean == pytest.approx(mean(percent(one) for one in counted))
        mean_of_values = mean(influence(score, one).mean() for one in counted)
        assert mean_of_values == pytest.approx(base[score].mean)
        assert measures[score].heading in words(found).header
    assert found.tests["rep"].differences
    assert "an older nmt" in found.tests["drop"].untested["attention=luong_dot"]
    assert [row[0] for row in words(found).rows] == ["luong_dot", "none"]
    shutil.rmtree(grid / "dot,seed=1")
    found = compare(find_runs([grid]), "none", [])
    assert "not known of attention=luong_dot" in words(found).notes[1]
    other = lengths(found)
    assert len(other.rows[0]) == len(other.header)


def test_each_translation_has_a_row_with_what_it_repeats_and_drops(grid):
    found = compare(find_runs([grid]), None, [])
    header, *rows = [line.split("\t") for line in to_tsv(found).splitlines()]
    assert len(rows) == 4 * 40
    named = [dict(zip(header, row, strict=True)) for row in rows]
    for run in found.baseline.runs:
        own = [row for row in named if row["run"] == str(run.folder)]
        assert [row["line"] for row in own] == [str(n) for n in range(1, 41)]
        assert [int(row["rep"]) for row in own] == run.words["rep"][:, 0].tolist()
        assert (
            sum(row["dropped_words"] == "hund" for row in own) == 10 * run.seed or not run.dropped
        )
        for name in ("f1_below_10", "f1_10", "f1_100", "f1_1000"):
            counts = run.words[name].tolist() if run.frequency else [(0, 0)] * 40
            expected = [f"{100 * both / all:.2f}" if all else "" for both, all in counts]
            assert [row[name] for row in own] == expected
    assert len({row["f1_10"] for row in named}) > 2
    older = [row["f1_10"] for row in named if row["run"].endswith("dot,seed=2")]
    assert older == [""] * 40, "its nmt counted no frequencies"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dropped.tsv", "1\thund\n" * 39, "dropped.tsv has 39 lines"),
        ("dropped.tsv", "1\tein hund\n" * 40, "dropped.tsv, line 1"),
        ("frequencies.tsv", "hund\n", "frequencies.tsv, line 1"),
    ],
)
def test_a_run_whose_files_of_words_are_damaged_is_left_out_with_the_reason(
    grid, name, content, said
):
    (grid / "none,seed=1" / name).write_text(content)
    wrong = [run for run in find_runs([grid]) if run.why]
    assert len(wrong) == 1
    assert said in wrong[0].why
