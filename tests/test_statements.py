"""The picture of a memory: what is drawn is what an attention does."""

import re
from pathlib import Path

import torch
from memory_picture import look, picture
from statements import memory

PAGE = Path(__file__).parent.parent / "docs" / "statements.md"


def test_the_mixture_is_the_values_weighed_and_every_number_of_it_is_drawn():
    found = look()
    scores = found.keys @ found.query / 3**0.5

    torch.testing.assert_close(found.scores, scores)
    torch.testing.assert_close(found.weights, scores.exp() / scores.exp().sum())
    assert (found.weights @ found.values - found.context).abs().max() < 1e-6
    drawn = " ".join(text.get_text() for text in picture(found).axes[0].texts)
    for numbers in (found.query, found.keys, found.scores, found.values, found.context):
        for number in numbers.flatten().tolist():
            assert f"{number:+.2f}".replace("-", "−") in drawn
    assert all(f"{weight:.2f} $v" in drawn for weight in found.weights.tolist())


def test_the_page_has_the_numbers_of_the_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("statements.IMAGES", tmp_path)
    _, *rows = memory(tmp_path)

    assert (tmp_path / "statement-memory.png").stat().st_size > 10_000
    page = re.sub(r"[ |]+", " ", PAGE.read_text("utf-8"))
    for row in rows:
        assert " ".join(filter(None, map(str, row))) in page


def test_the_burden_of_one_vector_has_the_numbers_of_the_study():
    page, study = (
        (PAGE.parent / name).read_text(encoding="utf-8")
        for name in ("statements.md", "studies/multi30k_rnn.md")
    )
    section = page.split("\n## ")[1]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert all(row in study.splitlines() for row in rows)
    assert "-13.44" in study
    assert "-14.47 to -12.41" in study
