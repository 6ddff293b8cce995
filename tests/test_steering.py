"""Prefixes, sequences that do not come twice, and least lengths: what steers a search."""

import itertools
from typing import Any, NamedTuple

import pytest
import torch
from command import mistake, nmt
from test_search import BOS, EOS, PAD, Matrix, Trace, exhaustive, random_memory, start, whole_past
from torch import Tensor
from toy_text import text

from nmt.api.model import load
from nmt.decoding import steering
from nmt.decoding.candidates import MostProbable
from nmt.decoding.decode import Decode
from nmt.decoding.length import Wu
from nmt.decoding.search import Hypothesis, beam_search
from nmt.decoding.steering import Steered
from nmt.errors import UserError
from nmt.evaluation.score import score_ids

FP32 = ("device=cpu", "precision=fp32")


class WholePast(NamedTuple):
    """The model of `test_search` whose next token depends on all before."""

    def step(self, tokens: Tensor, state: Trace, memory: Matrix) -> tuple[Tensor, Trace]:
        return whole_past(tokens, state, memory)


def search(
    matrix: Matrix, prefixes: list[list[int]], least: int, ngram: int, beam: int, most: int
) -> list[list[Hypothesis]]:
    prefix = torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, prefixes)), batch_first=True)
    prefix, num = prefix.long(), len(prefixes)
    step = Steered(WholePast(), ngram)
    memory = steering.SteeredMemory(prefix, torch.full((num,), least), matrix)
    return beam_search(
        step,
        memory,
        step.start(memory, start(num)),
        beam=beam,
        max_length=most,
        length_norm=Wu(1.0),
        n_best=beam,
        bos=BOS,
        eos=EOS,
        choose=MostProbable(2 * beam, PAD, BOS, EOS, normalized=True),
    )


def repeats(ids: list[int], ngram: int, behind: int = 0) -> bool:
    """Whether a sequence stands twice, the second time not wholly within the first pieces."""
    sequences = [tuple(ids[at : at + ngram]) for at in range(len(ids) - ngram + 1)]
    return any(
        one in sequences[:at] and at + ngram > behind for at, one in enumerate(sequences) if ngram
    )


@pytest.mark.parametrize(
    ("prefix", "least", "ngram"),
    [([], 0, 1), ([], 0, 2), ([], 2, 0), ([5], 0, 0), ([5, 5], 0, 1), ([1], 3, 1), ([4, 6], 3, 2)],
)
def test_a_wide_beam_finds_all_that_the_rules_allow_with_the_scores_of_the_model(
    prefix, least, ngram
):
    matrix, most = random_memory(2), 4
    found = search(matrix, [prefix, []], least, ngram, beam=400, most=most)
    for sentence, (begun, hypotheses) in enumerate(zip([prefix, []], found, strict=True)):
        truth = [
            one
            for one in exhaustive(whole_past, matrix, sentence, most, 1.0)
            if one.ids[: len(begun)] == begun
            and (len(one.ids) >= least)
            and not repeats(one.ids, ngram, len(begun))
        ]
        assert [one.ids for one in hypotheses] == [one.ids for one in truth]
        scores = [one.score for one in truth]
        assert [one.score for one in hypotheses] == pytest.approx(scores, abs=1e-5)


def test_where_nothing_else_may_follow_a_translation_ends():
    """Four pieces are no eight: a translation in which none comes twice ends at the fifth."""
    for found in search(random_memory(3), [[], [6], [6, 6]], least=8, ngram=1, beam=3, most=9):
        assert found
        assert all(set(one.ids) == {1, 4, 5, 6} for one in found)


def test_a_least_length_beyond_the_limit_is_the_limit():
    for found in search(random_memory(3), [[], [6], [6, 6]], least=3, ngram=0, beam=3, most=3):
        assert {len(one.ids) for one in found} == {3}


SOURCES = text(5, seed=3)
PREFIXES = ["Katomi", "", "Mishu neroha", "", "Do"]


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("rules", [{}, {"no_repeat_ngram": 2, "min_length": 12}])
def test_a_prefix_and_its_continuation_are_scored_as_the_same_pieces(translator, beam, rules):
    decode = Decode(beam=beam, n_best=beam, length_norm="power", length_penalty=0.7, **rules)
    (sources, begun) = map(translator.source_tokenizer.encode, (SOURCES, PREFIXES))
    lists = translator(SOURCES, decode, PREFIXES)
    for source, prefix, first, found in zip(sources, PREFIXES, begun, lists, strict=True):
        forced = score_ids(translator, [source] * len(found), [one.ids for one in found])
        for one, log_ps in zip(found, forced, strict=True):
            assert one.text.startswith(prefix)
            assert one.ids[: len(first)] == first
            assert one.score == pytest.approx(log_ps.sum() / len(log_ps) ** 0.7, rel=1e-4)
            assert not rules or not repeats(one.ids, 2, len(first))
            assert len(one.ids) >= rules.get("min_length", 0)


def test_a_prefix_changes_nothing_for_other_lines(translator):
    decode = Decode(beam=3, n_best=2, batch_size=5)
    alone = translator(SOURCES, decode)
    beside = translator(SOURCES, decode, PREFIXES)
    for prefix, one, other in zip(PREFIXES, alone, beside, strict=True):
        if not prefix:
            assert [t.ids for t in one] == [t.ids for t in other]
            assert [t.score for t in one] == pytest.approx([t.score for t in other], rel=1e-5)


@pytest.mark.parametrize(
    ("lines", "prefixes", "told"),
    [
        (["eins", " "], ["", "one"], "line 2: there is a prefix, but no text"),
        (["eins"], ["katomi " * 40], "line 1: the prefix has"),
    ],
)
def test_a_prefix_that_cannot_be_one_is_refused_with_its_line(translator, lines, prefixes, told):
    with pytest.raises(UserError, match=told):
        translator(lines, Decode(max_source=30), prefixes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"no_repeat_ngram": -1}, "decode.no_repeat_ngram=-1: must be at least 0"),
        ({"min_length": 70_000}, "decode.min_length=70000: must be at most"),
        ({"length_norm": "google"}, "decode.length_norm=google: choose one of wu, power"),
    ],
)
def test_rules_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Decode(**wrong)


# nmt translate prefix=

TEXT = "eins zwei drei\nvier\n\nsieben sieben eins\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text(TEXT)
    (tmp_path / "prefixes").write_text("two one\n\n\nfour\n")
    return tmp_path


def test_prefixes_come_from_a_file_or_a_column_and_are_those_of_python(trained, here):
    both = zip(TEXT.splitlines(), (here / "prefixes").read_text().splitlines(), strict=True)
    tabs = "".join(f"{line}\t{prefix}\n" if prefix else f"{line}\n" for line, prefix in both)
    words = ("translate", f"run={trained}", "decode.no_repeat_ngram=1", *FP32)
    filed = nmt(*words, "input=in", "prefix=prefixes")
    assert filed.code == 0, filed.err
    first, second, third, last = filed.out.splitlines()
    assert first.startswith("two one")
    assert last.startswith("four")
    assert third == ""
    assert second == nmt(*words, stdin=b"vier\n").out.rstrip("\n")
    assert nmt(*words, "prefix=prefixes", stdin=TEXT.encode()).out == filed.out
    assert nmt(*words, "prefix=column", stdin=tabs.encode()).out == filed.out
    for line in filed.out.splitlines():
        assert len(set(line.split())) == len(line.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["input=in", "prefix=short"], "short has 1 lines and in has 4: give a prefix for each"),
        (["prefix=short"], "short has 1 lines, and the text has more"),
        (["input=in", "prefix=long"], "long has 5 lines and in has 4"),
        (["prefix=long"], "long has more lines than the text, which has 4"),
        (["prefix=nowhere"], "nowhere: no such file"),
        (["prefix=latin"], "latin, line 2: invalid UTF-8"),
        (["input=in", "prefix=prefixes", "output=prefixes"], "would be lost"),
        (["input=tabs", "prefix=column"], "line 1 has more than one tab"),
        (
            ["input=in", "prefix=strange"],
            "line 2: the prefix has characters that are not in the target vocabulary",
        ),
    ],
)
def test_prefixes_that_do_not_fit_the_text_are_told(trained, here, words, told):
    (here / "short").write_text("one\n")
    (here / "long").write_text("one\n\n\n\n\n")
    (here / "latin").write_bytes(b"one\n\xff\n\n\n")
    (here / "strange").write_text("one\n猫\n\n\n")
    (here / "tabs").write_text("eins\tone\ttwo\n")
    output = () if any(word.startswith("output") for word in words) else ("output=out",)
    answer = nmt("translate", f"run={trained}", *words, *output, *FP32, stdin=TEXT.encode())
    assert told in mistake(answer)
    assert not (here / "out").exists()


def test_rules_of_a_search_are_settings_of_every_command_that_translates(trained, tmp_path):
    words = (f"run={trained}", f"output={tmp_path / 'out'}", "heatmaps=0", *FP32)
    answer = nmt("evaluate", *words, "decode.no_repeat_ngram=1", "decode.min_length=2")
    assert answer.code == 0, answer.err
    lines = (tmp_path / "out" / "hypotheses.txt").read_text().splitlines()
    assert all(len(set(line.split())) == len(line.split()) >= 1 for line in lines)


def test_python_has_a_prefix_for_each_sentence(trained):
    model = load(trained, device="cpu", precision="fp32")
    lines = ["eins zwei", "drei"]
    one, other = model.translate(lines, prefix=["two", ""])
    assert one.startswith("two")
    assert [other] == model.translate(lines[1:])
    assert model(lines[0], prefix="two").text == one
    assert model.translate(lines[0], prefix="two", min_length=6, length_norm="power")
    for wrong, told in (("two", "two strings, or two lists"), (["two"], "prefix has 1")):
        with pytest.raises(UserError, match=told):
            model.translate(lines, prefix=wrong)


def test_what_would_repeat_is_what_a_plain_loop_finds():
    """The rule against a plain loop, for sequences of one to three pieces."""
    pieces = torch.tensor([[[4, 5, 4, 5, 4], [6, 6, 6, 6, 6]]])
    for ngram, hypothesis in itertools.product((1, 2, 3), (0, 1)):
        ids = pieces[0, hypothesis].tolist()
        wanted = {last for last in range(4, 7) if repeats([*ids, last], ngram, len(ids))}
        found = steering.seen_after(pieces, ngram)[0, hypothesis].tolist()
        assert set(found) - {PAD} == wanted
