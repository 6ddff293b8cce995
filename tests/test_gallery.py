"""Which sentences are drawn, and one picture for each hop and head."""

from dataclasses import replace
from pathlib import Path

import pytest
from command import files, nmt
from matplotlib.figure import Figure
from matplotlib.image import imread
from small_model import small_rnn, small_transformer

from nmt.decoding.decode import Decode
from nmt.report.gallery import Drawn, Gallery, Occasion, spread
from nmt.run import Translator, open_run


@pytest.fixture(scope="module")
def by_letters(tiny, tmp_path_factory) -> Translator:
    """A model that reads and writes letters."""
    run = tmp_path_factory.mktemp("letters") / "run"
    answer = nmt("train", *tiny, "tokenizer=char", "train.max_steps=1", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    return open_run(run, "cpu", "fp32")


def with_model(translator: Translator, make, **choice) -> Translator:
    sizes = {
        "source_vocabulary": len(translator.source_tokenizer),
        "target_vocabulary": len(translator.target_tokenizer),
    }
    return replace(translator, model=make(**sizes, **choice))


def gallery(translator: Translator, folder: Path, words: bool = False, **drawn: str) -> Gallery:
    sentence = Drawn(7, **drawn) if drawn else Drawn(7, "eins zwei", "one two")
    return Gallery(translator, Decode(beam=1), [sentence], folder, words)


def pictures(gallery: Gallery) -> list[str]:
    """What is drawn before and after a translation."""
    gallery.draw_hypotheses(Occasion.update(3))
    gallery.draw_references(step=3)
    return [name for name in files(gallery.folder) if name.endswith(".png")]


@pytest.fixture
def asked(monkeypatch) -> list[tuple]:
    """What the pictures are asked to show; test_heatmap.py is about how it looks."""
    asked: list[tuple] = []

    def heatmap(*given: object) -> Figure:
        asked.append(given)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr("nmt.report.gallery.heatmap", heatmap)
    return asked


OF_SIDES = ["-decoder-self", "-encoder-self", ""]
SIDES = {"encoder_layers": 1, "decoder_layers": 2}


@pytest.mark.parametrize(
    ("make", "choice", "names", "panels"),
    [
        (small_rnn, {}, [""], (1, 1)),
        (small_rnn, {"hops": 2}, [""], (2, 1)),
        (small_rnn, {"heads": 2}, [""], (1, 3)),
        (small_rnn, {"heads": 2, "hops": 2, "order": "bahdanau"}, [""], (2, 3)),
        (small_rnn, {"attention": "none"}, [], None),
        (small_transformer, {"heads": 2, **SIDES}, OF_SIDES, (2, 3)),
        (small_transformer, {"heads": 1, "hops": 2, **SIDES}, OF_SIDES, (4, 1)),
    ],
)
def test_a_picture_for_every_kind_of_attention(
    make, choice, names, panels, by_letters, asked, tmp_path
):
    found = pictures(gallery(with_model(by_letters, make, **choice), tmp_path))

    assert found == [
        f"{place}/sentence-7{name}.png" for place in ("reference", "step-0000003") for name in names
    ]
    assert [tuple(given[0].shape[:2]) for given in asked][:1] == [panels] * bool(names)


def test_the_axes_are_what_was_read_and_what_was_predicted(by_letters, asked, tmp_path):
    """Rows of source-target attention begin with the first piece, of self-attention with <s>."""
    translator = with_model(by_letters, small_transformer)

    gallery(translator, tmp_path, source="eins", reference="one").draw_references(step=1)

    source, target = ["▁", *"eins", "</s>"], ["▁", *"one"]
    found = [(left, above) for _, above, left, *_ in asked]
    assert [(left.pieces, above.pieces) for left, above in found] == [
        ([*target, "</s>"], source),
        (source, source),
        (["<s>", *target], ["<s>", *target]),
    ]
    assert [(left.role, above.role) for left, above in found] == [
        ("reference", "source"),
        ("source, queries", "source, keys"),
        ("reference, queries", "reference, keys"),
    ]


def test_pieces_are_merged_to_words_on_request(by_letters, tmp_path):
    pieces, words = (gallery(by_letters, tmp_path / str(some), some) for some in (False, True))
    for one in (pieces, words):
        one.draw_references(step=3)

    picture = "reference/sentence-7.png"
    assert imread(words.folder / picture).shape[0] < imread(pieces.folder / picture).shape[0]


def test_an_empty_sentence_has_no_picture(by_letters, tmp_path):
    gallery(by_letters, tmp_path, source="").draw_hypotheses(Occasion.update(1))

    assert files(tmp_path / "step-0000001") == []


def test_sentences_are_spread_from_short_to_long():
    sources = ["x" * length for length in (9, 1, 5, 3, 7)]

    found = spread(sources, ["y"] * 5, 2)

    assert [(one.number, len(one.source)) for one in found] == [(4, 3), (5, 7)]
    assert [one.number for one in spread(sources, ["y"] * 5, 9)] == [2, 4, 3, 5, 1], "each once"
    assert spread(sources, ["y"] * 5, 0) == []
