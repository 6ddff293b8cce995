"""How probable a translation is: against the logits one by one, and against the beam search."""

import numpy as np
import pytest
import torch
from toy_text import text

from nmt.data.corpus import Lines
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.decode import Decode
from nmt.decoding.length import Wu
from nmt.errors import UserError
from nmt.evaluation.likelihood import sentence_losses
from nmt.evaluation.score import score, score_ids

SOURCES, TARGETS = text(5, seed=3), [*text(4, seed=5), ""]


@pytest.mark.parametrize("max_tokens", [1, 4096])
def test_each_piece_has_its_log_probability(translator, max_tokens):
    found = score(translator, SOURCES, TARGETS, max_tokens=max_tokens)

    assert len(found) == 5
    for source, target, one in zip(SOURCES, TARGETS, found, strict=True):
        read, written = translator.source_tokenizer.encode([source, target])
        with translator.inferring():
            logits = translator.model(torch.tensor([[*read, EOS]]), torch.tensor([[BOS, *written]]))
        log_p = logits[0].double().log_softmax(-1)
        by_hand = [log_p[t, piece].item() for t, piece in enumerate([*written, EOS])]
        assert one.pieces == translator.target_tokenizer.pieces([*written, EOS])
        assert one.log_ps == pytest.approx(by_hand, rel=1e-4)
        assert one.log_p == pytest.approx(sum(by_hand), rel=1e-4)
        assert one.perplexity == pytest.approx(np.exp(-np.mean(by_hand)), rel=1e-4)


def test_they_are_the_losses_of_an_evaluation(translator):
    found = score(translator, SOURCES, TARGETS)

    losses = sentence_losses(translator, Lines(SOURCES, TARGETS), 4096)
    assert np.array([(-one.log_p, len(one.pieces)) for one in found]) == pytest.approx(losses)


def test_the_score_of_the_search_is_that_of_the_same_pieces(translator):
    decode = Decode(beam=4, n_best=4, length_penalty=0.7)
    lists = translator(SOURCES, decode)

    for source, translations in zip(SOURCES, lists, strict=True):
        (ids,) = translator.source_tokenizer.encode([source])
        pieces = [one.ids for one in translations]
        for one, log_ps in zip(
            translations, score_ids(translator, [ids] * len(pieces), pieces), strict=True
        ):
            norm = Wu(decode.length_penalty)(torch.tensor(len(log_ps))).item()
            assert one.score == pytest.approx(log_ps.sum() / norm, rel=1e-4)


def test_no_lines_have_no_scores(translator):
    assert score(translator, [], []) == []


@pytest.mark.parametrize("long", ["kato mine " * 4, "kato mine " * 400])
def test_a_side_that_is_too_long_is_refused_with_its_line(translator, long):
    with pytest.raises(UserError, match=r"line 8: the target has .* at most 7 .*max_pieces"):
        score(translator, ["kato", "mine"], ["kato", long], lines=[3, 8], max_pieces=7)
