"""The loss of a test set, against the probabilities of its pieces one by one."""

import json
from math import exp
from typing import Any

import numpy as np
import pytest
import torch

from nmt.batches.ids import Ids
from nmt.data.corpus import Lines
from nmt.data.encode import Encoder
from nmt.data.tokenizer import BOS, EOS
from nmt.evaluation.likelihood import batches_of, likelihood, mean_loss, sentence_losses
from nmt.run import Translator, open_run
from nmt.runs.files import lines_of
from nmt.training.ranks import Ranks

LINES = Lines(["eins zwei drei", "", "sieben", "zwei"], ["one two three", "two", "", "two two"])


def by_hand(translator: Translator, lines: Lines) -> np.ndarray:
    """Nats and pieces: -log p of every piece and of eos, each after all that come before it."""
    found: list[tuple[float, int]] = []
    for source, target in zip(lines.source, lines.target, strict=True):
        (read,) = translator.source_tokenizer.encode([source])
        (written,) = translator.target_tokenizer.encode([target])
        with translator.inferring():
            logits = translator.model(torch.tensor([[*read, EOS]]), torch.tensor([[BOS, *written]]))
        p = logits[0].double().softmax(-1)
        nats = -sum(p[t, piece].log().item() for t, piece in enumerate([*written, EOS]))
        found.append((nats, len(written) + 1))
    return np.array(found)


@pytest.mark.parametrize("max_tokens", [1, 50, 4096])
def test_each_line_has_its_nats_and_pieces_without_smoothing(trained, max_tokens):
    translator = open_run(trained, "cpu", "fp32")

    found = sentence_losses(translator, LINES, max_tokens)

    expected = by_hand(translator, LINES)
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(set(found[:, 0])) == len(set(found[:, 1])) == 4, "or the order would not be seen"
    loss = expected[:, 0].sum() / expected[:, 1].sum()
    assert likelihood(found)["loss"] == pytest.approx(loss, rel=1e-5)
    assert likelihood(found)["perplexity"] == pytest.approx(exp(loss), rel=1e-4)


def test_they_add_up_to_the_loss_of_the_batches(trained):
    translator = open_run(trained, "cpu", "auto")
    lines = Lines(*(lines_of(trained / f"{side}.txt") for side in ("sources", "references")))
    found = sentence_losses(translator, lines, 200)

    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    with translator.evaluating():
        mean = mean_loss(
            translator, batches_of(Ids.of_table(encode((lines.source, lines.target))), 200)
        )
    assert likelihood(found)["loss"] == pytest.approx(mean, rel=1e-5)


def test_ranks_share_the_lines_and_all_get_them(trained):
    translator = open_run(trained, "cpu", "fp32")
    whole = sentence_losses(translator, LINES, 1)
    shares: list[list[Any]] = []

    class Part(Ranks):
        size = 3

        def __init__(self, rank: int) -> None:
            self.rank = rank

        def gathered(self, mine: Any) -> list[Any]:
            shares.append(mine)
            return shares

    for rank in range(3):
        translator.ranks = Part(rank)
        found = sentence_losses(translator, LINES, 1)

    assert found.tolist() == whole.tolist()
    assert [len(share) for share in shares] == [1, 1, 1]


def test_a_run_has_the_losses_of_its_test_set(trained):
    lines = Lines(*(lines_of(trained / f"{side}.txt") for side in ("sources", "references")))
    result = json.loads((trained / "result.json").read_text())
    kept = np.loadtxt(trained / "losses.txt", delimiter="\t")

    found = sentence_losses(open_run(trained, "cpu", "fp32"), lines, 4096)

    assert kept == pytest.approx(found, rel=0.02)  # in the run's own precision
    assert result["loss"] == kept[:, 0].sum() / kept[:, 1].sum(), "every digit is kept"
    assert result["perplexity"] == pytest.approx(exp(result["loss"]))
    assert result["loss"] != result["tested_weights"]["loss"], "which is of dev"
