"""The loss of a test set, against the probabilities of its pieces one by one."""

import json
from math import exp

import pytest
import torch

from nmt.data.corpus import Lines
from nmt.data.tokenizer import BOS, EOS
from nmt.evaluation.likelihood import likelihood
from nmt.files import lines_of
from nmt.run import Translator, open_run


def by_hand(translator: Translator, lines: Lines) -> float:
    """Nats a piece: -log p of every target piece and of eos, each after all that come before it."""
    nats, pieces = 0.0, 0
    for source, target in zip(*lines, strict=True):
        (read,) = translator.source_tokenizer.encode([source])
        (written,) = translator.target_tokenizer.encode([target])
        with translator.inferring():
            logits = translator.model(torch.tensor([[*read, EOS]]), torch.tensor([[BOS, *written]]))
        p = logits[0].double().softmax(-1)
        nats -= sum(p[t, piece].log().item() for t, piece in enumerate([*written, EOS]))
        pieces += len(written) + 1
    return nats / pieces


@pytest.mark.parametrize("max_tokens", [1, 50, 4096])
def test_the_loss_is_in_nats_per_target_piece_and_without_smoothing(trained, max_tokens):
    translator = open_run(trained, "cpu", "fp32")
    lines = Lines(["eins zwei drei", "", "sieben"], ["one two three", "two", ""])

    found = likelihood(translator, lines, max_tokens)

    expected = by_hand(translator, lines)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["perplexity"] == pytest.approx(exp(expected), rel=1e-4)


def test_a_run_has_the_loss_of_its_test_set(trained):
    lines = Lines(*(lines_of(trained / f"{side}.txt") for side in ("sources", "references")))
    result = json.loads((trained / "result.json").read_text())

    found = likelihood(open_run(trained, "cpu", "fp32"), lines, 4096)

    assert result["loss"] == pytest.approx(found["loss"], rel=0.01)  # in the run's own precision
    assert result["perplexity"] == pytest.approx(exp(result["loss"]))
    assert result["loss"] != result["tested_weights"]["loss"], "which is of dev"
