"""Random segmentations: the right ones, as often as they should be, and the same in any process."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import exp
from random import Random
from typing import Any

import pytest
from toy_text import CONFIG, text

from nmt.data.tokenizer import Tokenizer, train_tokenizer

CUT = """
import json, sys
from pathlib import Path
from nmt.data.tokenizer import Tokenizer
lines = json.loads(sys.stdin.read())
print(Tokenizer(Path(sys.argv[1]).read_bytes(), 0.2).sample(lines, 7))
"""


def tokenizer(kind: str, smoothing: float, **changes: Any) -> Tokenizer:
    return train_tokenizer(text(300), replace(CONFIG, kind=kind, sample=smoothing, **changes))


def segmentations(word: str, scores: dict[str, float]) -> list[list[str]]:
    """All ways to cut a word into pieces."""
    if not word:
        return [[]]
    ends = [end for end in range(1, len(word) + 1) if word[:end] in scores]
    return [[word[:end], *rest] for end in ends for rest in segmentations(word[end:], scores)]


@pytest.mark.parametrize("smoothing", [0.1, 0.5, 1.0])
def test_a_segmentation_is_as_frequent_as_its_probability(smoothing):
    cutter = tokenizer("unigram", smoothing).sampler
    words = sorted({word for line in text(40) for word in line.lower().split()})
    word = max(words, key=lambda one: len(segmentations(f"▁{one}", cutter.scores)))
    found = segmentations(f"▁{word}", cutter.scores)
    assert len(found) > 5
    weights = [exp(smoothing * sum(cutter.scores[piece] for piece in cut)) for cut in found]
    random, num = Random(1), 20_000
    drawn = Counter(tuple(cutter(word, random)) for _ in range(num))
    for cut, weight in zip(found, weights, strict=True):
        expected = weight / sum(weights)
        ids = tuple(cutter.ids[piece] for piece in cut)
        assert (
            abs(drawn[ids] / num - expected) < 4 * (expected * (1 - expected) / num) ** 0.5 + 1e-9
        )
    assert sum(drawn.values()) == num == sum(drawn[tuple(cutter.ids[p] for p in c)] for c in found)


def test_without_dropout_merges_are_those_of_sentencepiece():
    bpe = tokenizer("bpe", 0.0)
    lines = text(80, 3)
    assert [bpe.sampler(line, Random(1)) for line in lines] == bpe.encode(lines)


def test_with_all_merges_left_out_there_are_characters():
    bpe = tokenizer("bpe", 1.0)
    line = text(1, 3)[0]
    pieces = bpe.pieces(bpe.sampler(line, Random(1)))
    assert "".join(pieces) == "▁" + line.replace(" ", "▁")
    assert {len(piece) for piece in pieces} == {1}


def test_more_dropout_makes_more_pieces():
    lines = text(40, 3)
    numbers = [
        sum(map(len, tokenizer("bpe", share).sample(lines, 1))) for share in (0.0, 0.1, 0.5, 1.0)
    ]
    assert all(fewer < more for fewer, more in pairwise(numbers))


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_what_is_drawn_reads_as_the_line(kind, byte_fallback):
    size = CONFIG.size if byte_fallback else CONFIG.size - 256
    found = tokenizer(kind, 0.2, byte_fallback=byte_fallback, size=size)
    strange = ["☃ is unseen", "a▁b", "", "  two  spaces ", "日本語"]
    for line in [*text(40, 5), *strange]:
        for ids in found.sample([line] * 3, 1):
            assert found.decode(ids) == found.decode(found.encode([line])[0])


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_symbols_are_not_cut(kind):
    symbols = ["<2de>", "<2"]
    cut = tokenizer(kind, 0.3, symbols=symbols, size=400)
    lines = ["<2de> Kato ne.", "a<2de>b<2<2de> <2", "<2de>"]
    for line in lines:
        for ids in cut.sample([line] * 9, 1):
            assert cut.decode(ids) == line
            found = [one.lstrip("▁") for one in cut.pieces(ids)]
            assert [one for one in found if "<" in one] == re.findall("<2de>|<2", line)
    if kind == "bpe":
        whole = tokenizer(kind, 0.0, symbols=symbols, size=400)
        assert [whole.sampler(line, Random(1)) for line in lines] == whole.encode(lines)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_another_process_draws_the_same(kind, tmp_path):
    found = tokenizer(kind, 0.2)
    file = tmp_path / "model"
    file.write_bytes(found.model)
    lines = text(20, 5)
    answers = {
        subprocess.run(
            [sys.executable, "-c", CUT, str(file)],
            input=json.dumps(lines),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    }
    assert answers == {f"{found.sample(lines, 7)}\n"}
