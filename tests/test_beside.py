"""Weights and word links that commands write beside their results."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import files, mistake, nmt

from nmt.decoding.decode import Decode
from nmt.links.links import read_links
from nmt.report.weights import load_weights
from nmt.run import open_run
from nmt.runs.files import lines_of

FP32 = ("precision=fp32", "device=cpu")
TEXT = b"eins zwei drei\n\nvier f\xc3\xbcnf sechs sieben eins\nzwei\n"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_translate_writes_the_weights_of_each_line(trained, here):
    words = ("weights=w.arrow", "decode.beam=3", *FP32)
    answer = nmt("translate", f"run={trained}", *words, stdin=TEXT)

    assert answer.code == 0, answer.err
    rows = list(load_weights(here / "w.arrow"))
    found = open_run(trained, "cpu", "fp32")(
        TEXT.decode().splitlines(), Decode(beam=3, max_ratio=1)
    )
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert [row.source for row in rows] == TEXT.decode().splitlines()
    assert [row.target for row in rows] == answer.out.splitlines() == [t[0].text for t in found]
    assert [row.score for row in rows] == pytest.approx([t[0].score for t in found], rel=1e-4)
    for row in rows:
        cross = row.weights["cross"]
        assert cross.shape[2:] == (len(row.target_pieces), len(row.source_pieces))
        assert cross.sum(-1) == pytest.approx(np.ones(cross.shape[:3]), abs=5e-3)
        assert row.score == pytest.approx(row.log_p.sum() * 6 / (5 + len(row.log_p)), rel=1e-3) or (
            not row.source and row.score == 0
        )


def test_an_npz_is_of_a_single_line(trained, here):
    answer = nmt("translate", f"run={trained}", "weights=w.npz", stdin=b"eins\n")
    assert answer.code == 0, answer.err
    assert load_weights(here / "w.npz").source == "eins"

    answer = nmt("translate", f"run={trained}", "weights=x.npz", stdin=TEXT)
    assert answer.code == 1
    assert "nmt: an npz has the weights of one sentence" in answer.err
    assert files(here) == ["w.npz"]


def test_evaluate_and_align_write_the_weights_of_their_texts(trained, here):
    run = f"run={trained}"
    evaluated = nmt("evaluate", run, "heatmaps=0", "output=e", "weights=e.arrow", *FP32)
    aligned = nmt("align", run, "heatmaps=0", "output=a", "weights=a.arrow", *FP32)

    assert evaluated.code == aligned.code == 0, (evaluated.err, aligned.err)
    translated, forced = load_weights(here / "e.arrow"), load_weights(here / "a.arrow")
    assert [row.target for row in translated] == lines_of(here / "e" / "hypotheses.txt")
    assert [row.target for row in forced] == lines_of(here / "e" / "references.txt")
    losses = np.loadtxt(here / "e" / "losses.txt")
    assert [-row.log_p.sum() for row in forced] == pytest.approx(losses[:, 0], rel=1e-4)
    assert all(row.score is None for row in forced)


def test_links_are_those_of_align_for_the_models_own_translations(trained, here):
    (here / "in").write_bytes(TEXT.replace(b"\n\n", b"\n"))
    run, words = f"run={trained}", ("decode.beam=2", *FP32)

    translated = nmt("translate", run, "input=in", "output=out", "links=links", *words)
    aligned = nmt(*("align", run, "source=in", "hypothesis=true", "heatmaps=0", "output=a", *words))

    assert translated.code == aligned.code == 0, (translated.err, aligned.err)
    assert (here / "links").read_text() == (here / "a" / "alignments.txt").read_text()
    assert "nmt align layer=best head=best shift=best" in translated.err


def test_each_of_n_best_has_its_links(trained, here):
    answer = nmt("translate", f"run={trained}", "n_best=2", "links=links", stdin=TEXT)

    rows = [line.split("\t") for line in answer.out.splitlines()]
    links = read_links(here / "links", 0)
    assert len(rows) == len(links) == 7
    words = TEXT.decode().splitlines()
    for (number, _, _, text), (found, _) in zip(rows, links, strict=True):
        assert all(i < len(words[int(number) - 1].split()) for i, _ in found)
        assert {j for _, j in found} <= set(range(len(text.split())))


def test_norms_and_gradients_can_be_drawn_written_and_linked(trained, here):
    outputs = []
    for of in ("weights", "norms", "gradients"):
        places = (f"heatmap={of}", f"weights={of}.arrow", f"links={of}.links", "layer=1")
        answer = nmt("translate", f"run={trained}", f"of={of}", *places, *FP32, stdin=b"eins\n")
        assert answer.code == 0, answer.err
        assert f"word links from {of}" in answer.err
        outputs.append((here / of / "sentence-1.png").read_bytes())
        (row,) = load_weights(here / f"{of}.arrow")
        assert row.of == of
        if of != "weights":
            assert row.weights["cross"].sum(-1) != pytest.approx(1)
    assert len(set(outputs)) == 3
    assert "of=all" in mistake(nmt("translate", f"run={trained}", "of=all"))


def test_links_come_from_the_attention_that_align_found_best(trained, numbers, here):
    run = Path(shutil.copytree(trained, here / "run"))
    gold = "".join("1-1 2-2 3-3\n" for _ in lines_of(numbers / "dev.de"))
    (here / "gold").write_text(gold)
    dev = (f"dev.source={numbers}/dev.de", f"dev.target={numbers}/dev.en", "dev.gold=gold")
    best = ("layer=best", "head=best", "shift=best", "heatmaps=0")
    assert nmt("align", f"run={run}", *dev, *best, *FP32).code == 0
    (result,) = (run / "alignment").glob("*/result.json")
    reading = json.loads(result.read_text())["reading"]

    known = nmt("translate", f"run={run}", "links=known", *FP32, stdin=TEXT)
    typed = nmt(
        *("translate", f"run={run}", "links=typed", f"shift={str(reading['shift']).lower()}"),
        *FP32,
        stdin=TEXT,
    )

    assert known.code == typed.code == 0, known.err + typed.err
    assert f"the best of {result}" in known.err
    assert ("read" if reading["shift"] else "predicted") in known.err
    assert (here / "known").read_text() == (here / "typed").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["weights=w.csv"], ["weights=w.csv", ".arrow", ".npz"]),
        (["weights=nowhere/w.arrow"], ["weights=nowhere/w.arrow", "no folder nowhere"]),
        (["weights=w.arrow", "output=w.arrow"], ["weights=w.arrow", "name another file"]),
        (["links=w.arrow", "weights=w.arrow"], ["links=w.arrow", "name another file"]),
        (["links=nowhere/links"], ["links=nowhere/links", "no folder nowhere"]),
        (["layer=1"], ["layer=1", "links=FILE"]),
        (["links=l", "layer=7"], ["layer=7", "has 1"]),
        (["links=l", "head=best"], ["nmt align layer=best"]),
        (["links=l", "shift=maybe"], ["shift=maybe"]),
    ],
)
def test_mistakes_are_told_and_leave_nothing(words, told, trained, here):
    message = mistake(nmt("translate", f"run={trained}", *words, stdin=b"eins\n"))

    assert all(part in message for part in told), message
    assert files(here) == []


def test_a_run_without_attention_has_neither(tiny, here):
    assert nmt("train", *tiny, "attention=none", "hydra.run.dir=run").code == 0
    before = files(here)

    for command, words in (
        ("translate", ["weights=w.arrow"]),
        ("translate", ["links=links"]),
        ("evaluate", ["weights=w.arrow", "output=run/evaluation/e"]),
    ):
        message = mistake(nmt(command, "run=run", *words, stdin=b"eins\n"))
        assert "run has attention=none" in message
    assert files(here) == before
