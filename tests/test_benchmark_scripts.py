"""The scripts that compare with other toolkits, and that measure a GPU, in miniature."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import compare
import figures
import gpu
import measure
import profiles
import pytest
import streams
import torch
from command import nmt
from page import fill
from peer import PEERS, Setup
from rounds import Rounds, Variant
from shape import PIECES, SHAPES, Rnn, Transformer

from nmt.data.tokenizer import EOS

OURS = PEERS[0]
SMALL = {
    "rnn-mlp": Rnn("mlp", embedding=6, encoder=4, decoder=8),
    "rnn-general": Rnn("general", embedding=6, encoder=4, decoder=8),
    "tiny": Transformer(layers=1, width=8, feed_forward=8, heads=2),
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Little data, and no seconds of large products."""
    monkeypatch.setattr(streams, "VOCABULARY", 30)
    monkeypatch.setattr(streams, "MAX_TOKENS", 64)
    monkeypatch.setattr("nmt.bench.gemm.SECONDS", 1e-4)


@pytest.mark.parametrize("shape", SMALL)
def test_we_do_what_we_ask_of_others(shape):
    with ExitStack() as until:
        setup = Setup(SMALL[shape], torch.float32, until)

        assert measure.training(OURS, setup, 1) > 0
        assert measure.decoding(OURS, setup, 3) > 0  # of PIECES each, or it fails


def test_everybody_gets_the_same_batches():
    first, second = streams.training(3), streams.training(2)

    assert len(first) == 3
    for one, other in zip(first, second, strict=False):
        assert one.source.equal(other.source)
        assert one.target.equal(other.target)
    sources = streams.decoding(70)
    assert sum(map(len, sources)) == 70
    assert all((source == EOS).sum() == len(source) for source in sources)


def test_what_a_toolkit_writes_is_counted(monkeypatch):
    monkeypatch.setattr("peer.Peer.decoder", lambda *_: lambda source: [[5]] * len(source))

    with ExitStack() as until, pytest.raises(AssertionError, match=r"wrote \{1\} pieces"):
        measure.decoding(OURS, Setup(SMALL["tiny"], torch.float32, until), 3)
    assert PIECES > 1


def test_medians_ratios_and_noise():
    rounds = Rounds()
    ours, other = Variant("tiny", "nmt", "fp32"), Variant("tiny", "JoeyNMT", "fp32")
    for rate in (300.0, 100.0, 200.0):
        rounds.add(ours, rate)
        rounds.add(other, rate / 2)
    rounds.add(Variant("small", "nmt", "fp32"), 7.0)
    rounds.add(Variant("small", "JoeyNMT", "fp32"), None)  # it failed

    assert list(rounds.rows()) == [
        ("tiny", "nmt", "fp32", 200, "2.00", "100%"),
        ("tiny", "JoeyNMT", "fp32", 100, "1.00", "100%"),
        ("small", "nmt", "fp32", 7.0, "", "0%"),
    ]
    assert "3 rounds" in rounds.noise()
    assert "100%" in rounds.noise()
    assert rounds.figures()[0]["rounds"] == [300.0, 100.0, 200.0]


def test_a_comparison_fills_its_places(tmp_path, monkeypatch, capsys):
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("a\n<!-- training -->\nold\n<!-- /training -->\nb\n")
    turns: list[Variant] = []

    def measured(variant: Variant, task: str, settings: compare.Settings) -> float | None:
        turns.append(variant)
        return None if variant.toolkit == "CTranslate2" else 100.0 + len(turns)

    monkeypatch.setattr(compare, "measured", measured)
    monkeypatch.setattr("peer.version", {"nmt-attention": "1", "transformers": "5"}.get)
    words = ["training", "--shapes", "tiny", "--rounds", "2", "--threads", "1"]
    monkeypatch.setattr(
        sys, "argv", ["compare.py", *words, f"--fill={page}", f"--output={figures}"]
    )

    compare.main()

    assert turns[: len(turns) // 2] == turns[len(turns) // 2 :]  # they take turns
    assert {turn.toolkit for turn in turns} == {"nmt", "transformers (Marian)"}
    text = page.read_text()
    assert text.startswith("a\n<!-- training -->\n| shape |")
    assert text.endswith("<!-- /training -->\nb\n")
    assert "old" not in text
    found = json.loads(figures.read_text())
    assert (found["threads"], found["rounds"]) == (1, 2)
    assert [len(row["rounds"]) for row in found["training"]] == [2] * len(found["training"])
    told = " ".join(capsys.readouterr().err.split())
    assert "JoeyNMT is not installed: pip install --no-deps joeynmt==2.3.0" in told


def test_a_page_without_places_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")

    with pytest.raises(SystemExit, match="no <!-- training -->"):
        fill(page, "training", "table")
    assert page.read_text() == "nothing"


def test_a_measurement_that_fails_is_told(monkeypatch, capsys, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('it is broken')")
    monkeypatch.setattr(compare, "MEASURE", broken)
    settings = compare.Settings(threads=1, updates=1, sentences=1, rounds=1)

    assert compare.measured(Variant("tiny", "nmt", "fp32"), "training", settings) is None
    assert "tiny, nmt, fp32 failed: it is broken" in capsys.readouterr().err


def test_every_toolkit_says_what_to_install_and_does_known_shapes():
    ours = PEERS[0]
    assert ours.version, "nmt itself is installed"
    for peer in PEERS:
        assert set(peer.trains + peer.decodes) <= set(SHAPES)
        assert peer is ours or f"{peer.package}==" in peer.install


def here(words: list[str]) -> None:
    """Run a command in this process."""
    answer = nmt(*words)
    assert answer.code == 0, answer.err


def test_the_cases_of_a_gpu_run_in_miniature(tmp_path, monkeypatch):
    path = tmp_path / "table.md"

    monkeypatch.setattr(figures, "nmt", here)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small", f"--output={path}"])

    gpu.main()

    first, _, *rows = path.read_text().splitlines()
    assert first.startswith("cpu (")
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    *others, big = cells[2:]
    assert len(others) == 3
    assert all(len(row) == len(gpu.HEADER) for row in cells)
    assert all(map(all, others))
    assert [bool(cell) for cell in big] == [True] * 7 + [False] * 2


def test_a_training_on_multi30k(tmp_path, monkeypatch):
    """The words compose; what a run leaves is told."""

    def here(words: list[str]) -> None:
        answer = nmt(*words, "--cfg", "job")
        assert answer.code == 0, answer.err
        assert "max_minutes: 1.5" in answer.out
        (folder,) = (word.partition("=")[2] for word in words if word.startswith("hydra.run.dir"))
        result = {"steps": 900, "bleu_tok_lc": 40.125, "split": "test"}
        Path(folder).mkdir()
        Path(folder, "result.json").write_text(json.dumps(result))

    monkeypatch.setattr(gpu, "nmt", here)

    assert "900 updates, 40.12 bleu_tok_lc on test" in gpu.multi30k(tmp_path)


def test_profiles_of_all_shapes_in_miniature(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in profiles.HEADERS))
    monkeypatch.setattr(figures, "nmt", here)
    monkeypatch.setattr(profiles, "SHAPES", SMALL)
    monkeypatch.setattr(profiles, "VOCABULARY", 50)
    monkeypatch.setattr(profiles, "MAX_TOKENS", 64)
    monkeypatch.setattr(profiles, "PIECES", 2)
    amounts = ["--updates=1", "--sentences=2", "--operators=3"]
    monkeypatch.setattr(
        sys, "argv", ["profiles.py", "--shapes", "tiny", *amounts, f"--fill={page}"]
    )

    profiles.main()

    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.read_text().splitlines()
    ]
    for header in profiles.HEADERS.values():
        (start,) = (number for number, cells in enumerate(rows) if tuple(cells) == header)
        measured = rows[start + 2 : start + 2 + len(profiles.precisions())]
        assert {cells[0] for cells in measured} == {"tiny"}
        assert all(all(cells) for cells in measured)
        assert all(cells[-1].count("%") == 3 for cells in measured) or header[-1] == "GB"
