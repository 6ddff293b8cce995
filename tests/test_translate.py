"""Translation of lines, with a model that copies its source."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from nmt.data.tokenizer import BOS, EOS, PAD
from nmt.decoding.decode import Decode
from nmt.decoding.long_lines import LongLines
from nmt.decoding.translate import Translation, batches, translate
from nmt.errors import UserError
from nmt.run import Translator

VOCABULARY = 31


class Letters:
    """A tokenizer whose pieces are the letters a to z; spaces say nothing."""

    def encode(self, lines: list[str]) -> list[list[int]]:
        return [[4 + ord(c) - ord("a") for c in line if c != " "] for line in lines]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(i - 4 + ord("a")) for i in ids)


class Memory(NamedTuple):
    source: Tensor  # (B,S)


class State(NamedTuple):
    place: Tensor  # (B,K)


class Copy(nn.Module):
    """Gives 0.6 to the source's next letter and 0.3 to the one after it in the alphabet."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[Tensor] = []

    def encode(self, source: Tensor) -> Memory:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        assert (source == EOS).sum(1).eq(1).all(), "every row ends in eos"
        self.sources.append(source)
        return Memory(source)

    reads_padding = False

    def start(self, memory: Memory, room: int = 0) -> State:
        return State(torch.zeros(len(memory.source), 1, dtype=torch.long))

    def step(self, tokens: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        assert (tokens == BOS).all() == (state.place == 0).all()
        inside = state.place.clamp(max=memory.source.shape[1] - 1)
        target = memory.source.gather(1, inside)  # (B,K)
        p = torch.full((*target.shape, VOCABULARY), 1e-4)
        p.scatter_(2, (target + (target != EOS)).unsqueeze(2), 0.3)
        p.scatter_(2, target.unsqueeze(2), 0.6)
        return p.log(), State(state.place + 1)


class Endless(Copy):
    """Never ends by itself."""

    def step(self, tokens: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        logits = torch.zeros(*tokens.shape, VOCABULARY)
        logits[:, :, EOS] = -50
        return logits, state


LINES = ["cab", "", "z" * 3 + "ab", "b", "   ", "the quick brown", "a", "of", "jumps"]


def texts(lines, model=None, **decode) -> list[str]:
    found = translate(model or Copy(), Letters(), Letters(), lines, Decode(**decode), "cpu")
    return [line[0].text for line in found]


@pytest.mark.parametrize("size", [{"batch_size": 1}, {"batch_size": 4}, {"batch_tokens": 9}])
@pytest.mark.parametrize("beam", [1, 3])
def test_order_is_kept_and_empty_lines_stay_empty(size, beam):
    assert texts(LINES, beam=beam, **size) == [line.replace(" ", "") for line in LINES]


def test_nothing_but_empty_lines():
    assert texts(["", " "]) == ["", ""]
    assert texts([]) == []


def test_batches_keep_both_limits():
    lengths = [3, 0, 11, 5, 5, 2, 7, 1, 0, 30]
    found = list(batches(lengths, max_rows=3, max_tokens=16))
    assert found == [[9], [2], [6, 3], [4, 0, 5], [7]]


def test_padding_is_not_translated():
    model = Copy()
    texts(["abcdefg", "ab"], model)
    (source,) = model.sources
    assert source[1].tolist() == [4, 5, EOS, *[PAD] * 5]


def test_n_best_are_different_and_sorted():
    (found,) = translate(
        Copy(), Letters(), Letters(), ["cab"], Decode(beam=4, n_best=3, length_penalty=0), "cpu"
    )
    assert found[0].text == "cab"
    assert {line.text for line in found[1:]} < {"dab", "cbb", "cac"}
    assert found[0].ids == Letters().encode(["cab"])[0]
    assert found[0].score > found[1].score == pytest.approx(found[2].score)


class Pairs(Letters):
    """Says two letters alike: a and b, c and d, …"""

    def decode(self, ids: list[int]) -> str:
        return super().decode([i - i % 2 for i in ids])


def test_each_text_stands_once_with_its_best_score_however_many_are_asked_for():
    def best(tokenizer: Letters, n_best: int) -> list[tuple[str, float]]:
        decode = Decode(beam=8, n_best=n_best)
        (found,) = translate(Copy(), Letters(), tokenizer, ["cafe"], decode, "cpu")
        return [(line.text, round(line.score, 4)) for line in found]

    said = [
        (Pairs().decode(Letters().encode([text])[0]), score) for text, score in best(Letters(), 8)
    ]
    texts = [text for text, _ in said]
    assert texts[0] == texts[1], "the beam has a text twice"
    first = [pair for place, pair in enumerate(said) if pair[0] not in texts[:place]]
    found = best(Pairs(), 8)
    assert found[: len(first)] == first
    assert len({text for text, _ in found}) == len(found) < 8, "there are no more"
    for n_best in range(1, 8):
        assert best(Pairs(), n_best) == found[:n_best]


def test_length_limit_follows_the_source():
    found = texts(["abc", "a"], Endless(), beam=1, max_ratio=2.5, max_extra=3)
    assert [len(text) for text in found] == [10 + 3, 5 + 3]  # eos is a token of the source


def test_too_long_lines_are_cut_with_a_warning(caplog):
    assert texts(["abcdefg", "abc"], max_source=4) == ["abcd", "abc"]
    assert "line 1 was truncated to 4 pieces (decode.max_source)" in caplog.text


def test_a_line_end_in_a_translation_stays_on_its_line():
    class Breaks(Letters):
        def decode(self, ids):
            return "a\nb\r\nc\u2028d\x85e\tf\x0cg\x00h\u200f"

    (found,) = translate(Copy(), Letters(), Breaks(), ["x"], Decode(), "cpu")
    assert found[0].text == "a b  c d e f g h\u200f"


@pytest.mark.parametrize("training", [True, False])
def test_mode_is_given_back(training):
    model = Copy().train(training)
    texts(["ab"], model)
    assert model.training is training
    with pytest.raises(AttributeError):
        translate(model, Letters(), None, ["ab"], Decode(), "cpu")
    assert model.training is training


def translator(model: Copy, trained: int | None = None) -> Translator:
    letters: Any = Letters()
    copies: Any = model
    long, cpu = LongLines(trained), torch.device("cpu")
    return Translator(copies, letters, letters, "de", "en", cpu, torch.bfloat16, long=long)


def stream(lines: Iterable[str], chunk: int, model: Copy) -> Iterator[list[Translation]]:
    return translator(model).stream(lines, Decode(), chunk)


@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_stream_is_translate(chunk):
    lines = LINES * 5
    found = list(stream(iter(lines), chunk, Copy()))
    assert found == translate(Copy(), Letters(), Letters(), lines, Decode(), "cpu")


def test_stream_reads_no_further_than_its_chunk():
    read = []
    endless = stream((read.append(i) or "ab" for i in itertools.count()), 3, Copy())
    assert next(endless)[0].text == "ab"
    assert len(read) == 3
    for _ in range(3):
        next(endless)
    assert len(read) == 6


def test_streams_that_are_read_in_turns_leave_torch_and_the_model_as_they_were():
    model = Copy().train()
    one, other, unfinished = (stream(LINES, 2, model) for _ in range(3))
    next(unfinished)
    for _, found, again in zip(LINES, one, other, strict=True):
        assert found == again
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        assert model.training
    assert not torch.is_inference_mode_enabled()


LONG = "line 3 has 5 pieces, but no sentence in training had more than 4 (clean.max_pieces)"


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_a_line_longer_than_any_in_training_is_told_once_a_text(chunk, caplog):
    lines = ["cab", "", "abcde", "abcd", "abcdef", "a" * 9, "a" * 9]
    made = translator(Copy(), trained=4)
    for _ in range(2):
        caplog.clear()
        list(made.stream(lines, Decode(max_source=8), chunk))
        told = [record.getMessage() for record in caplog.records]
        assert [one.partition(":")[0].partition(".")[0] for one in told] == [
            LONG.partition(".")[0],
            "line 6 was truncated to 8 pieces (decode",
        ]
    caplog.clear()
    made(lines, Decode())
    made(lines[2:], Decode())
    assert [LONG in record.getMessage() for record in caplog.records] == [True], "once, the whole"
    caplog.clear()
    translator(Copy())(lines, Decode())
    assert not caplog.records, "not known"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beam": 0}, "decode.beam=0: must be at least 1"),
        ({"batch_size": 0}, "decode.batch_size=0"),
        ({"length_penalty": -0.5}, "decode.length_penalty=-0.5: must be at least 0"),
        ({"beam": 2, "n_best": 5}, "add decode.beam=5"),
    ],
)
def test_what_cannot_be_searched_with_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Decode(**wrong)
