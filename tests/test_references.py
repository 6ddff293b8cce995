"""Test sets with several references."""

import json

import pytest
from command import mistake, nmt
from sacrebleu import corpus_bleu, corpus_chrf, corpus_ter

from nmt.data.lines import read_lines
from nmt.metrics.bleu import score

HYPOTHESES = ["the cat sat on the mat", "two dogs run", "a man reads"]
FIRST = ["a cat sat on a mat", "two dogs are running", "a man is reading"]
SECOND = ["the cat sat down on the mat", "", "a man reads a book"]


def test_scores_are_those_of_sacrebleu_and_an_empty_line_is_no_reference():
    found = score(HYPOTHESES, FIRST, "en", [SECOND])
    both = [FIRST, [line or None for line in SECOND]]
    assert found["bleu"] == corpus_bleu(HYPOTHESES, both, force=True).score
    assert found["chrf"] == corpus_chrf(HYPOTHESES, both).score
    assert found.get("ter") == corpus_ter(HYPOTHESES, both).score
    assert "nrefs:var" in found["signatures"]["bleu"]
    assert score(HYPOTHESES, FIRST, "en", [FIRST])["bleu"] == score(HYPOTHESES, FIRST, "en")["bleu"]
    assert score(HYPOTHESES, FIRST, "en", [HYPOTHESES])["bleu_tok_lc"] == pytest.approx(100)


def test_evaluate_scores_against_all_and_keeps_them(trained, tmp_path):
    theirs = read_lines(trained / "references.txt")
    path = tmp_path / "again.en"
    path.write_text("\n".join(read_lines(trained / "hypotheses.txt")))
    answer = nmt("evaluate", f"run={trained}", "heatmaps=0", f"references=[{path}]")
    assert answer.code == 0, answer.err
    folder = trained / "evaluation" / "files-test-2-references"
    result = json.loads((folder / "result.json").read_text())
    assert result["bleu"] == pytest.approx(100)
    assert "nrefs:2" in result["signatures"]["bleu"]
    assert result["loss"] == json.loads((trained / "result.json").read_text())["loss"]
    assert read_lines(folder / "references.txt") == theirs
    assert (folder / "references-2.txt").read_text() == (trained / "hypotheses.txt").read_text()

    short = tmp_path / "short.en"
    short.write_text("one\ntwo\n")
    told = mistake(nmt("evaluate", f"run={trained}", f"references=[{short}]"))
    assert f"{short} has 2 lines and the test set {len(theirs)}" in told
    inside = f"references=[{folder / 'references-2.txt'}]"
    assert "is read, and would be lost" in mistake(nmt("evaluate", f"run={trained}", inside))
