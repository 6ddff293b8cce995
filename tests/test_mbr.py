"""Minimum Bayes risk: the translation that is most like all others, by sacreBLEU's scores."""

from collections import Counter
from math import exp

import numpy as np
import pytest
from command import mistake, nmt
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from small_model import small_rnn
from small_translator import translator_of
from toy_text import text

from nmt.api.model import load
from nmt.data.text import one_line
from nmt.data.tokenizer import TokenizerConfig, train_tokenizer
from nmt.decoding.decode import Decode
from nmt.decoding.mbr import expected_utilities
from nmt.decoding.translate import draw, search, source_ids
from nmt.errors import UserError
from nmt.evaluation.score import score_ids
from nmt.metrics.bleu import bleu_tokenizer
from nmt.metrics.pairwise import utility_of
from nmt.run import Translator

FP32 = ("device=cpu", "precision=fp32")
LINES = [
    "The cat sat.",
    "the the the cat",
    "The cat sat down, down, down!",
    "a",
    "",
    " ",
    "The cat",
]


def sacrebleu_of(name: str, language: str):
    if name == "chrf":
        return CHRF()
    return BLEU(tokenize=bleu_tokenizer(language), effective_order=True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["chrf", "bleu"])
@pytest.mark.parametrize("lines", [LINES, [*text(6, seed=2), *text(3, seed=2)], ["猫は猫", "猫"]])
def test_all_pairs_at_once_are_sacrebleu_for_each_pair(name, language, lines):
    metric = sacrebleu_of(name, language)
    found = utility_of(name, language)(lines)
    for i, j in np.ndindex(found.shape):
        true = metric.sentence_score(lines[i], [lines[j]]).score
        assert found[i, j] == pytest.approx(true, abs=1e-9), (lines[i], lines[j])


def test_a_text_that_comes_again_counts_again_and_is_compared_once():
    asked = []

    def utility(texts):
        asked.append(list(texts))
        return utility_of("chrf", "en")(texts)

    texts, weights = ["a cat", "a dog", "a cat", "a log"], [0.5, 1.0, 2.0, 1.0]
    found = expected_utilities(texts, weights, utility)
    assert asked == [["a cat", "a dog", "a log"]]
    metric = CHRF()
    by_hand = {
        one: sum(
            weight * metric.sentence_score(one, [other]).score
            for other, weight in zip(texts, weights, strict=True)
        )
        / sum(weights)
        for one in texts
    }
    assert found == pytest.approx(by_hand)
    assert list(found) == sorted(by_hand, key=lambda one: -by_hand[one])


@pytest.fixture(scope="module")
def translator() -> Translator:
    tokenizer = train_tokenizer(text(200), TokenizerConfig(size=400))
    return translator_of(tokenizer, small_rnn)


SOURCES = text(2, seed=3)
SHORT = {"max_ratio": 0.3, "max_extra": 4}


@pytest.mark.parametrize("name", ["chrf", "bleu"])
@pytest.mark.parametrize("candidates", ["samples", "beam"])
def test_the_choice_is_that_of_a_plain_loop_over_the_scores_of_sentences(
    translator, candidates, name
):
    """Samples count as often as they were drawn, what a beam found by its probability."""
    mbr = {"method": "mbr", "candidates": candidates, "utility": name, "n_best": 3}
    size = {"samples": 6} if candidates == "samples" else {"beam": 6}
    found = translator(SOURCES, Decode(**mbr, **size, **SHORT, length_penalty=0.6))
    metric = sacrebleu_of(name, "en")
    sources = translator.source_tokenizer.encode(SOURCES)
    for line, (source, chosen) in enumerate(zip(sources, found, strict=True)):
        ids = six_of(translator, line, candidates)
        forced = score_ids(translator, [source] * 6, ids)
        weights: Counter[str] = Counter()
        for one, log_ps in zip(ids, forced, strict=True):
            said = one_line(translator.target_tokenizer.decode(one))
            weights[said] += 1 if candidates == "samples" else exp(log_ps.sum())
        total = sum(weights.values())
        expected = {
            one: sum(w * metric.sentence_score(one, [o]).score for o, w in weights.items()) / total
            for one in weights
        }
        best = sorted(expected, key=lambda one: -expected[one])[:3]
        scores = [expected[one] for one in best]
        assert [one.score for one in chosen] == pytest.approx(scores, rel=1e-4)
        assert [one.text for one in chosen] == best
        assert all(one.ids in ids for one in chosen)


def six_of(translator: Translator, line: int, candidates: str) -> list[list[int]]:
    """The pieces of the first six samples of a line, or of the six best of a beam."""
    (source,) = source_ids(translator.source_tokenizer, [SOURCES[line]], 1024)
    with translator.evaluating():
        if candidates == "samples":
            decode = Decode(method="sample", **SHORT)
            (found,) = draw(translator.model, [source], decode, "cpu", [[]], range(6))
        else:
            decode = Decode(beam=6, n_best=6, length_penalty=0.6, **SHORT)
            (found,) = search(translator.model, [source], decode, "cpu")
    return [one.ids for one in found[:6]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"utility": "comet"}, "decode.utility=comet: choose one of chrf, bleu"),
        ({"candidates": "all"}, "decode.candidates=all: choose one of samples, beam"),
        ({"n_best": 9, "samples": 4}, "add decode.samples=9"),
        ({"n_best": 9, "candidates": "beam"}, "add decode.beam=9"),
    ],
)
def test_what_mbr_cannot_choose_among_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Decode(**{"method": "mbr", **wrong})


def test_the_command_and_python_choose_alike(trained):
    words = ("translate", f"run={trained}", "decode=mbr", "decode.samples=4", *FP32)
    answer = nmt(*words, stdin=b"eins zwei drei\n\nvier\n")
    assert answer.code == 0, answer.err
    model = load(trained, device="cpu", precision="fp32")
    made = model.translate(["eins zwei drei", "", "vier"], method="mbr", samples=4)
    assert answer.out.splitlines() == made
    for wrong, told in (
        ("decode.beam=3", "beam=3 has no effect with decode.method=mbr decode.candidates=samples"),
        ("decode.candidates=beam", "samples=4 has no effect with decode.method=mbr decode.cand"),
    ):
        assert told in mistake(nmt(*words, wrong, stdin=b"eins\n"))
    told = mistake(nmt("translate", f"run={trained}", "decode.utility=bleu", stdin=b"eins\n"))
    assert "decode.utility=bleu has no effect with decode.method=beam" in told
