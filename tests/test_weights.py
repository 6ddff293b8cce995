"""Attention weights as data: all of them, of every sentence, in files that others read."""

import pytest
import torch
from small_model import small_rnn
from small_translator import translator_of
from toy_text import text

from nmt.data.tokenizer import BOS, EOS, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.decoding.translate import Decode
from nmt.evaluation.score import score
from nmt.evaluation.weights import BATCH_PIECES, Forced, found, given, neighbours, weights_of
from nmt.models.attention_maps import attention_maps
from nmt.run import Translator

MODELS = {
    "rnn": lambda tokenizer: translator_of(
        tokenizer,
        small_rnn,
        hops=2,
        encoder_self_attention=True,
        decoder_self_attention=True,
    ),
    "transformer": translator_of,
}
SOURCES = ["", *text(4, seed=3)]
TARGETS = text(5, seed=5)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(text(200), TokenizerConfig(size=400))


@pytest.fixture(scope="module", params=MODELS)
def translator(request, tokenizer) -> Translator:
    return MODELS[request.param](tokenizer)


def test_a_sentence_has_all_weights_of_the_model_without_the_padding_of_its_batch(translator):
    rows = list(weights_of(translator, given(translator, SOURCES, TARGETS, first=7)))

    scores = score(translator, SOURCES, TARGETS)
    assert [row.line for row in rows] == [7, 8, 9, 10, 11]
    for row, told, source, target in zip(rows, scores, SOURCES, TARGETS, strict=True):
        read, written = translator.source_tokenizer.encode([source, target])
        with translator.inferring():
            maps = attention_maps(
                translator.model,
                torch.tensor([[*read, EOS]]),
                torch.tensor([[BOS, *written, EOS]]),
            )
        assert (row.source, row.target, row.score) == (source, target, None)
        assert row.source_pieces == translator.source_tokenizer.pieces([*read, EOS])
        assert row.target_pieces == told.pieces
        assert row.log_p == pytest.approx(told.log_ps, rel=1e-4)
        assert list(row.weights) == ["cross", "encoder", "decoder"]
        for one in maps:
            alone = one.weights[0].numpy()
            assert row.weights[one.kind.place] == pytest.approx(alone, abs=1e-5)
            assert alone.shape[2:] == row.sizes(one.kind.place)


def test_a_translation_has_the_pieces_and_the_score_of_its_search(translator):
    best = translator(SOURCES[1:2], Decode(beam=3))[0][0]

    (row,) = weights_of(translator, [found(translator, 1, SOURCES[1], best, max_source=2)])

    assert row.target == best.text
    assert row.target_pieces == translator.target_tokenizer.pieces([*best.ids, EOS])
    assert row.score == best.score
    assert len(row.source_pieces) == 3, "as much as the search has read"


def test_batches_keep_the_order_and_the_budget():
    sizes = [1, 2000, 3, *[30] * 200]
    sentences = [Forced(n, "", "", [5] * size, [6] * size) for n, size in enumerate(sizes)]

    batches = list(neighbours(sentences))

    assert [one.line for batch in batches for one in batch] == list(range(203))
    for batch in batches:
        longest = max(len(one.source_ids) + len(one.target_ids) + 2 for one in batch)
        assert len(batch) == 1 or len(batch) * longest <= BATCH_PIECES
    assert max(map(len, batches)) == 64


def test_sentences_are_read_a_batch_at_a_time(translator):
    lines = iter(given(translator, SOURCES * 40, TARGETS * 40))

    next(weights_of(translator, lines))

    assert 0 < 200 - len(list(lines)) <= 65
