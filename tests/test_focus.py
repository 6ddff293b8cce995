"""How attention is spread: each measure against weights that are written by hand."""

from math import log

import pytest
import torch

from nmt.batches.batch import Batch
from nmt.evaluation.focus import means, measured
from nmt.models.attention_maps import AttentionMap
from nmt.models.seq2seq import Kind

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
    return means(dict(measured(AttentionMap(kind, [""], weights), BATCH)))


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
