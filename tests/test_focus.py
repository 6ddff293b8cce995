"""How attention is spread: each measure against weights that are written by hand."""

from math import log

import pytest
import torch
from small_model import small_rnn, small_transformer

from nmt.attention.attention import Attention
from nmt.attention.window import LocalP
from nmt.batches.batch import Batch
from nmt.evaluation.focus import means, measured
from nmt.laws.model import BOS, EOS
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.seq2seq import Kind, Seq2Seq

# Two sentences of 4 and 2 source pieces, and of 2 and 1 target pieces that are predicted.
BATCH = Batch(
    torch.tensor([[5, 6, 7, 3], [5, 3, 0, 0]]), torch.tensor([[2, 8, 3], [2, 3, 0]]), None
)
ONE_KEY = [0.0, 0.0, 0.0, 1.0]
HALVES = [0.5, 0.0, 0.5, 0.0]
SINK = [0.25, 0.25, 0.0, 0.0]  # half of the weight is on no key
IGNORED = [9.0, 9.0, 9.0, 9.0]  # of a query that is padding


def spread(kind: Kind, *heads: list) -> dict[str, float]:
    """The measures of weights (H,B,T,S) in one layer."""
    weights = torch.tensor(heads).transpose(0, 1)[:, None]  # (B,1,H,T,S)
    return means(measured(AttentionMap(kind, [""], weights, 1 - weights.sum(-1)), BATCH))


def test_source_target_attention_is_measured_over_the_pieces_of_the_target():
    found = spread(Kind.SOURCE_TARGET, [[ONE_KEY, HALVES], [SINK, IGNORED]])

    assert found == pytest.approx(
        {
            "entropy": (0 + log(2) + 2 * 0.25 * log(4)) / 3,
            "uniform": (2 * log(4) + log(2)) / 3,
            "largest": (1 + 0.5 + 0.25) / 3,
            "zeros": (3 / 4 + 2 / 4 + 0) / 3,  # of the keys in sight
            "no_key": (0 + 0 + 0.5) / 3,
            "end": (1 + 0 + 0.25) / 3,
            "mark": (0 + 0.5 + 0.25) / 3,
        }
    )


def test_heads_are_averaged_and_even_weights_have_an_entropy_of_ln_s():
    even = [0.25] * 4
    found = spread(
        Kind.SOURCE_TARGET, [[even, even], [even, IGNORED]], [[ONE_KEY] * 2, [ONE_KEY] * 2]
    )

    assert found["entropy"] == pytest.approx(log(4) / 2)
    assert found["largest"] == pytest.approx((0.25 + 1) / 2)


def test_a_decoder_sees_the_past_alone_and_has_no_end_of_the_source():
    found = spread(Kind.DECODER, [[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])

    assert set(found) == {"entropy", "uniform", "largest", "zeros", "no_key"}
    assert found["zeros"] == pytest.approx((0 + 1 / 2 + 0) / 3)


def test_an_encoder_is_measured_over_the_pieces_of_the_source():
    rows = [HALVES, HALVES, HALVES, ONE_KEY]
    found = spread(Kind.ENCODER, [rows, [SINK, SINK, IGNORED, IGNORED]])

    assert found["end"] == pytest.approx((1 + 0.25 + 0.25) / 6)


def test_the_entropy_is_that_of_shares_and_queries_that_look_nowhere_have_none():
    twos, negative, nothing = [2.0, 0.0, 2.0, 0.0], [0.5, 0.0, -0.5, 0.0], [0.0] * 4
    found = spread(Kind.SOURCE_TARGET, [[twos, nothing], [negative, IGNORED]])

    assert found["entropy"] == pytest.approx(log(2))
    assert found["largest"] == pytest.approx((2 + 0 + 0.5) / 3)
    nowhere = spread(Kind.SOURCE_TARGET, [[nothing, nothing], [nothing, IGNORED]])
    assert "entropy" not in nowhere


def on_no_key(model: Seq2Seq) -> float | None:
    """What focus says of a batch of two sentences of a small model."""
    batch = Batch(
        torch.tensor([[4, 5, 6, 7, EOS], [7, 8, EOS, 0, 0]]),
        torch.tensor([[BOS, 4, 5, EOS], [BOS, 6, EOS, 0]]),
    )
    (found,) = (
        one
        for one in attention_maps(model.eval(), batch.source, batch.target)
        if one.kind == Kind.SOURCE_TARGET
    )
    assert found.weights.size(-1) == 5
    return means(measured(found, batch)).get("no_key")


def with_sink_at(score: float, **choices: str) -> Seq2Seq:
    """A small RNN whose sink has one score for all queries."""
    model = small_rnn(**choices)
    for part in model.modules():
        if isinstance(part, Attention):
            part.sink.scores = lambda _, query: query.new_full((*query.shape[:-1], 1), score)
    return model


def test_no_key_is_the_weight_of_the_sink():
    far = on_no_key(with_sink_at(-1e4, sink="zero"))
    assert far == pytest.approx(0, abs=1e-6)
    assert on_no_key(with_sink_at(1e4, sink="zero")) == pytest.approx(1)
    assert on_no_key(with_sink_at(1e4, sink="key", normalize="sigmoid")) == pytest.approx(1)
    relu = {"normalize": "relu", "gate": "rms", "sink": "key"}
    assert on_no_key(with_sink_at(1e4, **relu)) == pytest.approx(1, abs=1e-2)
    assert on_no_key(with_sink_at(-1.0, **relu)) == 0
    windowed = with_sink_at(-1e4, sink="zero", window="local_p")
    assert any(isinstance(part, LocalP) for part in windowed.modules())
    assert on_no_key(windowed) == pytest.approx(0, abs=1e-6), (
        "what the Gaussian takes is not a sink's"
    )


def test_without_a_sink_no_key_is_what_is_left_over_where_that_has_a_meaning():
    torch.manual_seed(1)
    assert on_no_key(small_rnn()) == pytest.approx(0, abs=1e-6)
    assert 0 < on_no_key(small_rnn(normalize="stick_breaking")) < 1
    assert 0 < on_no_key(small_rnn(normalize="softpick")) < 1
    assert on_no_key(small_rnn(normalize="sigmoid")) is None
    assert on_no_key(small_rnn(normalize="relu", gate="rms")) is None
    for mix in ("differential", "talking_heads"):
        assert on_no_key(small_transformer(mix=mix)) is None
        assert -1 < on_no_key(small_transformer(mix=mix, sink="zero")) < 1
