"""Attention weights as data: all of them, of every sentence, in files that others read."""

import numpy as np
import pandas
import pyarrow as pa
import pytest
import torch
from small_model import small_rnn
from small_translator import translator_of
from toy_text import text

from nmt.data.tokenizer import BOS, EOS, Tokenizer, TokenizerConfig, train_tokenizer
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.evaluation.score import score
from nmt.evaluation.weights import BATCH_PIECES, Forced, found, given, neighbours, weights_of
from nmt.models.attention_maps import attention_maps
from nmt.report.weights import Weights, load_weights, writing
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


# files


@pytest.fixture(scope="module")
def rows(translator) -> list[Weights]:
    best = [one[0] for one in translator(SOURCES, Decode(beam=1))]
    lines = zip(SOURCES, best, strict=True)
    return list(
        weights_of(
            translator, [found(translator, n, *line, 99) for n, line in enumerate(lines, start=1)]
        )
    )


def same(one: Weights, other: Weights) -> None:
    assert one[:6] == other[:6]
    assert one.log_p.tolist() == other.log_p.tolist()
    assert one[8:] == other[8:] == ("de", "en", "weights")
    assert one.weights.keys() == other.weights.keys()
    for place, array in one.weights.items():
        assert array == pytest.approx(other.weights[place], abs=5e-4)
        assert array.dtype == np.float32


def test_an_arrow_file_gives_back_what_was_written(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("nmt.report.weights.HELD", 1500)  # several batches
    path = tmp_path / "w.arrow"
    with writing(path) as write:
        write(rows[:3])
        assert not path.exists()
        write(rows[3:])

    read = load_weights(path)

    assert pa.ipc.open_file(path).num_record_batches in range(3, 6)
    assert len(read) == 5
    for row, other in zip(read, rows, strict=True):
        same(row, other)
    same(read[-2], rows[3])
    assert [row.line for row in read[1:3]] == [2, 3]
    with pytest.raises(IndexError):
        read[5]


def test_an_npz_has_one_sentence(rows, tmp_path):
    path = tmp_path / "w.npz"
    with writing(path) as write:
        write(rows[1:2])

    row = load_weights(path)
    assert isinstance(row, Weights)
    same(row, rows[1])
    for some, told in ((rows, "more"), ([], "none")):
        with pytest.raises(UserError, match=f"{told}.*arrow"), writing(tmp_path / "x.npz") as write:
            write(some)
    assert not (tmp_path / "x.npz").exists()


def test_pandas_reads_an_arrow_file(rows, tmp_path):
    with writing(tmp_path / "w.arrow") as write:
        write(rows)

    table = pandas.read_feather(tmp_path / "w.arrow")

    assert table.source.tolist() == SOURCES
    for (_, row), wanted in zip(table.iterrows(), rows, strict=True):
        assert row.target_pieces.tolist() == wanted.target_pieces
        for place, array in wanted.weights.items():
            assert row[place].reshape(row[f"{place}_shape"]) == pytest.approx(array, abs=5e-4)


def test_a_model_that_attends_in_one_place_has_no_other_columns(tokenizer, tmp_path):
    translator = translator_of(tokenizer, small_rnn)
    with writing(tmp_path / "w.arrow") as write:
        write(weights_of(translator, given(translator, SOURCES, TARGETS)))

    read = load_weights(tmp_path / "w.arrow")
    assert [list(row.weights) for row in read] == [["cross"]] * 5
    assert pa.ipc.open_file(tmp_path / "w.arrow").read_all()["encoder"].null_count == 5


def test_other_files_and_changed_arrays_are_refused(rows, tmp_path):
    whole = tmp_path / "w.arrow"
    with writing(whole) as write:
        write(rows)
    table = pa.ipc.open_file(whole).read_all()
    changed = {
        "shape": table["cross_shape"].to_pylist()[::-1],
        "pieces": [["x"]] * 5,
    }
    for name, column in changed.items():
        at = table.schema.names.index({"shape": "cross_shape"}.get(name, "source_pieces"))
        kind = table.schema.field(at)
        other = table.set_column(at, kind, pa.array(column, kind.type))
        with pa.ipc.new_file(tmp_path / f"{name}.arrow", other.schema) as file:
            file.write(other)
        with pytest.raises(UserError, match=rf"{name}.arrow, line \d: .* cross .* write the file"):
            list(load_weights(tmp_path / f"{name}.arrow"))
    with pa.ipc.new_file(tmp_path / "columns.arrow", table.select([0, 1]).schema) as file:
        file.write(table.select([0, 1]))
    (tmp_path / "cut.arrow").write_bytes(whole.read_bytes()[:-100])
    (tmp_path / "text.arrow").write_text("0-0 1-1\n")
    np.savez(tmp_path / "other.npz", cross=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    for name in ("columns.arrow", "cut.arrow", "text.arrow", "other.npz", "cut.npz"):
        with pytest.raises(UserError, match=f"{name} is not a whole file of attention weights"):
            load_weights(tmp_path / name)
    with pytest.raises(UserError, match="nowhere: no such file"):
        load_weights(tmp_path / "nowhere")
