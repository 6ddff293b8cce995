"""nmt score as it is typed."""

import json
from itertools import pairwise
from math import exp
from pathlib import Path

import pytest
from command import mistake, nmt

from nmt.evaluation.contrast import accuracy
from nmt.evaluation.score import score
from nmt.run import open_run
from nmt.runs.files import lines_of

FP32 = ("precision=fp32", "device=cpu")


@pytest.fixture
def here(numbers, tmp_path, monkeypatch) -> Path:
    """A folder with a text: what is typed names no other."""
    monkeypatch.chdir(tmp_path)
    for side in ("de", "en"):
        (tmp_path / side).write_text((numbers / f"test.{side}").read_text())
    return tmp_path


def columns(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_each_line_has_its_log_probability_perplexity_and_pieces(trained, here):
    answer = nmt("score", f"run={trained}", "source=de", "target=en", *FP32)

    assert answer.code == 0, answer.err
    texts = lines_of(here / "de"), lines_of(here / "en")
    found = score(open_run(trained, "cpu", "fp32"), *texts)
    assert [[float(one) for one in row] for row in columns(answer.out)] == [
        pytest.approx([one.log_p, one.per_piece, one.perplexity, len(one.pieces)], abs=1e-3)
        for one in found
    ]
    pieces = sum(len(one.pieces) for one in found)
    loss = -sum(one.log_p for one in found) / pieces
    assert f"6 lines, {pieces} pieces: loss {loss:.4f} nats per piece" in answer.err
    assert f"perplexity {exp(loss):.2f}" in answer.err


def test_pieces_come_as_json_and_lines_from_a_pipe(trained, here):
    pairs = zip(lines_of(here / "de"), lines_of(here / "en"), strict=True)
    text = "".join(f"{source}\t{target}\n" for source, target in pairs).encode()

    plain = nmt("score", f"run={trained}", "source=de", "target=en", *FP32)
    piped = nmt("score", f"run={trained}", "format=jsonl", "output=out", *FP32, stdin=text)

    assert piped.code == 0, piped.err
    assert not piped.out
    rows = [json.loads(line) for line in lines_of(here / "out")]
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [f"{row['log_p']:.4f}" for row in rows] == [row[0] for row in columns(plain.out)]
    for row in rows:
        assert row["num_pieces"] == len(row["pieces"]) == len(row["log_p_of_pieces"])
        assert sum(row["log_p_of_pieces"]) == pytest.approx(row["log_p"])
        assert row["pieces"][-1] == "</s>"


def test_an_n_best_list_is_sorted_by_the_scores_of_the_model(trained, here):
    search = ("n_best=4", "decode.beam=4", "input=de", *FP32)
    made = nmt("translate", f"run={trained}", *search, "output=list")
    assert made.code == 0, made.err
    rows = columns((here / "list").read_text())
    turned = sorted(rows, key=lambda row: (int(row[0]), -int(row[1])))
    (here / "turned").write_text("".join("\t".join(row) + "\n" for row in turned))
    moses = [f"{int(n) - 1} ||| {text} ||| F0= -1 ||| -1\n" for n, _, _, text in turned]
    (here / "moses").write_text("".join(moses))

    answers = [
        nmt("score", f"run={trained}", "source=de", f"candidates={name}", *FP32)
        for name in ("turned", "moses")
    ]

    assert answers[0].code == answers[1].code == 0, answers
    found = columns(answers[0].out)
    assert sorted((n, text) for n, _, _, text in found) == sorted((n, t) for n, _, _, t in rows)
    for (number, rank, value, _), after in pairwise(found):
        assert (int(number), int(rank)) < (int(after[0]), int(after[1]))
        assert number < after[0] or float(value) >= float(after[2])
    assert answers[1].out == answers[0].out
    sources = [lines_of(here / "de")[int(n) - 1] for n, *_ in found]
    scores = score(open_run(trained, "cpu", "fp32"), sources, [text for *_, text in found])
    for (_, _, value, _), one in zip(found, scores, strict=True):  # decode.length_penalty is 1
        assert float(value) == pytest.approx(one.log_p * 6 / (5 + len(one.pieces)), abs=1e-3)
    assert "6 lists, " in answers[0].err


def test_the_length_penalty_of_candidates_can_be_chosen(trained, here):
    (here / "list").write_text("1\t1\t0\tone two\n1\t2\t0\tone\n")
    words = ("source=de", "candidates=list", "format=jsonl", "length_penalty=0", *FP32)

    answer = nmt("score", f"run={trained}", *words)

    for row in map(json.loads, answer.out.splitlines()):
        assert row["score"] == pytest.approx(row["log_p"])


def test_a_contrastive_test_set_gives_an_accuracy_with_its_interval(trained, here):
    rows = [("eins zwei", "one two", "one", "two two two"), ("vier", "four", "seven")]
    right = score(
        open_run(trained, "cpu", "fp32"),
        ["eins zwei"] * 3 + ["vier"] * 2,
        [text for row in rows for text in row[1:]],
    )
    log_p = [one.log_p for one in right]
    (here / "set").write_text("".join("\t".join(row) + "\n" for row in rows))

    answer = nmt("score", f"run={trained}", "contrast=set", *FP32)

    assert answer.code == 0, answer.err
    wanted = [log_p[0] > max(log_p[1:3]), log_p[3] > log_p[4]]
    found = columns(answer.out)
    assert [row[0] for row in found] == [str(int(one)) for one in wanted]
    assert [float(one) for row in found for one in row[1:]] == pytest.approx(log_p, abs=1e-3)
    assert f"({sum(wanted)} of 2; 95 % interval" in answer.err
    told = nmt("score", f"run={trained}", "contrast=set", "format=jsonl", *FP32).out
    assert [json.loads(line)["right"] for line in told.splitlines()] == wanted


def test_the_interval_is_wilsons():
    share, low, high = accuracy(83, 100)

    for end in (low, high):  # both ends are 1.96 standard errors from the share, by their own p
        assert abs(share - end) == pytest.approx(1.959964 * (end * (1 - end) / 100) ** 0.5)
    assert low < share < high
    assert accuracy(0, 5).low == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["source=de"], ["source=de needs target=FILE"]),
        (["target=en"], ["target=en needs source=FILE"]),
        (["candidates=list"], ["candidates=list needs source=FILE"]),
        (["source=de", "target=en", "candidates=list"], ["remove target=en"]),
        (["contrast=list", "source=de"], ["remove source=de"]),
        (["source=de", "target=en", "length_penalty=1"], ["candidates=FILE"]),
        (["source=de", "target=en", "format=xml"], ["format=xml", "text, jsonl"]),
        (["source=nowhere", "target=en"], ["nowhere: no such file"]),
        (["source=de", "target=short"], ["de has 6 lines", "short has 1"]),
        (["source=short", "target=latin"], ["latin, line 1", "UTF-8"]),
        (["source=de", "target=en", "max_pieces=2"], ["line 1: the source has", "max_pieces"]),
        (["source=de", "candidates=short"], ["short, line 1", "n_best=5"]),
        (["source=short", "candidates=list"], ["list has candidates for line 2"]),
        (["source=de", "candidates=falls"], ["falls: line 1", "after line 2"]),
        (["contrast=short"], ["short, line 1 has 1 column", "one wrong target"]),
        (["contrast=same"], ["same, line 1", "is also among the wrong ones"]),
        (["output=en", "source=de", "target=en"], ["output=en is read"]),
        (["sources=de"], ["sources", "source"]),
        ([], ["standard input, line 1 has 3 columns", "two, source and target"]),
    ],
)
def test_mistakes_of_score_are_told(words, told, trained, here):
    for name, text in {
        "short": b"eins\n",
        "latin": b"f\xfcnf\n",
        "list": b"1\t1\t0\tone\n2\t1\t0\ttwo\n",
        "falls": b"2\t1\t0\ttwo\n1\t1\t0\tone\n",
        "same": b"eins\tone\ttwo\tone\n",
    }.items():
        (here / name).write_bytes(text)

    answer = nmt("score", f"run={trained}", *words, stdin=b"eins\tone\tone\n")

    message = mistake(answer._replace(out=""))
    assert all(part in message for part in told), message
