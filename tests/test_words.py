"""What a test says of words: repeated, dropped, rare and frequent ones; and the aligner below."""

import json
from collections import Counter
from itertools import product
from random import Random
from shutil import copytree, ignore_patterns

import numpy as np
import pytest
from command import nmt
from scipy.special import digamma

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
    words = read_training_words(trained)
    assert words
    text = Counter((numbers / "train.en").read_text().split())  # before cleaning
    assert words.frequency
    assert all(10 <= number <= text[word] for word, number in words.frequency.items())
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
    run = copytree(trained, tmp_path / "run", ignore=ignore_patterns("words", "heatmaps"))
    output = tmp_path / "evaluation"
    output.mkdir()
    (output / "dropped.tsv").write_text("1\tof another test\n")
    answer = nmt("evaluate", f"run={run}", f"output={output}", "heatmaps=0")
    assert answer.code == 0, answer.err
    assert "not measured: DROP" in answer.err
    assert not (output / "dropped.tsv").exists()
    assert "drop" not in json.loads((output / "result.json").read_text())
