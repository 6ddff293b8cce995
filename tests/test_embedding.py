"""Embeddings: scaled, and dropped piece by piece."""

import pytest
import torch
from small_model import small_rnn, small_transformer

from nmt.attention.mask import PAD
from nmt.models.embedding import Embedding


@pytest.mark.parametrize(("make", "width"), [(small_rnn, 6), (small_transformer, 12)])
def test_what_the_layers_read_has_variance_1(make, width):
    ids = torch.arange(4, 2000)
    model = make(source_vocabulary=2000)
    assert 0.9 < model.source_embedding(ids).var() < 1.1
    plain = make(source_vocabulary=2000, scale_embeddings=False)
    assert 0.9 < plain.source_embedding(ids).var() * width < 1.1


def test_whole_pieces_are_dropped_in_training_alone():
    embedding = Embedding(40, 8, word_dropout=0.25)
    ids = torch.randint(4, 40, (4000,))
    plain = embedding.eval()(ids)
    dropped = embedding.train()(ids)
    gone = (dropped == 0).all(-1)
    assert 0.2 < gone.float().mean() < 0.3
    torch.testing.assert_close(dropped[~gone], plain[~gone] / 0.75)


def test_padding_is_nothing():
    assert not Embedding(9, 5, scale=3.0)(torch.tensor([PAD])).any()
