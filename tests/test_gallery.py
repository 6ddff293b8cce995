"""Which sentences are drawn, and one picture for each hop and head."""

import pytest
from command import files, nmt
from matplotlib.image import imread

from nmt.decoding.translate import Decode
from nmt.report.gallery import Drawn, Gallery, Occasion, spread
from nmt.report.heatmap import heatmap
from nmt.run import open_run


def drawn(run, folder, words=False):
    """One sentence, before and after its translation, by the gallery that a training has."""
    gallery = Gallery(
        open_run(run, "cpu", "fp32"),
        Decode(beam=1),
        [Drawn(7, "eins zwei", "one two")],
        folder,
        words,
    )
    gallery.draw_hypotheses(Occasion.update(3))
    gallery.draw_references(step=3)
    return [name for name in files(folder) if name.endswith(".png")]


SMALL = [  # a Transformer in the place of the RNN of `tiny`
    *("model=transformer", "model.width=8", "model.feed_forward_width=8", "model.heads=2"),
    *("model.encoder_layers=1", "model.decoder_layers=2"),
]


@pytest.mark.parametrize(
    ("choice", "pictures", "panels"),
    [
        ([], [""], (1, 1)),
        (["model.hops=2"], [""], (2, 1)),
        (["model.heads=2"], [""], (1, 3)),
        (["model.heads=2", "model.hops=2", "order=bahdanau"], [""], (2, 3)),
        (["attention=none"], [], None),
        (SMALL, ["-decoder-self", "-encoder-self", ""], (2, 3)),
        ([*SMALL, "model.hops=2", "model.heads=1"], ["-decoder-self", "-encoder-self", ""], (4, 1)),
    ],
)
def test_a_picture_for_every_kind_of_attention(
    choice, pictures, panels, tiny, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    if choice and choice[0] == "model=transformer":
        tiny = [word for word in tiny if not word.startswith("model.")]
    answer = nmt("train", *tiny, *choice, "train.max_steps=1", f"hydra.run.dir={run}")
    assert answer.code == 0, answer.err
    shapes = []
    monkeypatch.setattr(
        "nmt.report.gallery.heatmap",
        lambda weights, *rest: shapes.append(weights.shape) or heatmap(weights, *rest),
    )

    found = drawn(run, tmp_path / "pictures")

    assert found == [
        f"{place}/sentence-7{name}.png"
        for place in ("reference", "step-0000003")
        for name in pictures
    ]
    assert [tuple(shape[:2]) for shape in shapes][:1] == [panels] * bool(pictures)


def test_the_axes_are_what_was_read_and_what_was_predicted(tiny, tmp_path, monkeypatch):
    """Rows of source-target attention begin with the first piece, of self-attention with <s>."""
    run = tmp_path / "run"
    tiny = [word for word in tiny if not word.startswith("model.")]
    words = [*tiny, *SMALL, "tokenizer=char", "train.max_steps=1", f"hydra.run.dir={run}"]
    assert nmt("train", *words).code == 0
    axes = []
    monkeypatch.setattr(
        "nmt.report.gallery.heatmap",
        lambda weights, above, left, *rest: (
            axes.append((left, above)) or heatmap(weights, above, left, *rest)
        ),
    )
    gallery = Gallery(
        open_run(run, "cpu", "fp32"), Decode(beam=1), [Drawn(1, "eins", "one")], tmp_path, False
    )

    gallery.draw_references(step=1)

    source, target = ["▁", *"eins", "</s>"], ["▁", *"one"]
    assert axes == [
        ([*target, "</s>"], source),
        (source, source),
        (["<s>", *target], ["<s>", *target]),
    ]


def test_pieces_are_merged_to_words_on_request(tiny, tmp_path):
    run = tmp_path / "run"
    words = ["tokenizer=char", "train.max_steps=1", "train.heatmap_words=true"]
    assert nmt("train", *tiny, *words, f"hydra.run.dir={run}").code == 0

    pieces, merged = tmp_path / "pieces", tmp_path / "words"
    assert drawn(run, pieces) == drawn(run, merged, words=True)

    picture = "reference/sentence-7.png"
    assert imread(merged / picture).shape[0] < imread(pieces / picture).shape[0]  # fewer rows


def test_an_empty_sentence_has_no_picture(tiny, tmp_path):
    run = tmp_path / "run"
    assert nmt("train", *tiny, "train.max_steps=1", f"hydra.run.dir={run}").code == 0
    gallery = Gallery(open_run(run, "cpu", "fp32"), Decode(beam=1), [Drawn(1, "")], tmp_path, False)

    gallery.draw_hypotheses(Occasion.update(1))

    assert files(tmp_path / "step-0000001") == []


def test_sentences_are_spread_from_short_to_long():
    sources = ["x" * length for length in (9, 1, 5, 3, 7)]

    found = spread(sources, ["y"] * 5, 2)

    assert [(one.number, len(one.source)) for one in found] == [(4, 3), (5, 7)]
    assert len(spread(sources, ["y"] * 5, 9)) == 5
    assert spread(sources, ["y"] * 5, 0) == []
