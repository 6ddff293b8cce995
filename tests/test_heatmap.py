"""Heatmaps: every label drawn, nothing over anything else; words from pieces.

Warnings are errors here, and matplotlib warns of each glyph that no font has.
"""

import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from matplotlib import _pylab_helpers
from matplotlib.figure import Figure
from matplotlib.text import Text

from nmt.report import fonts
from nmt.report.fonts import drawable
from nmt.report.heatmap import Axis, cell_size, heatmap, pixels, scaled
from nmt.report.palette import BEGINS, CONTINUES, SIGNED, SOFT, WEIGHTS
from nmt.report.several import Panel, several
from nmt.report.words import merge_words, words

SENTENCES = {
    "de": "▁Der ▁Hund ▁schl äft ▁im ▁Garten . </s>",
    "ja": "▁ 犬 が 庭 で 静かに 眠っている 間 、 子供たち は 学校 へ 行った 。 </s>",
    "zh": "▁ 狗 在 花园 里 安静 地 睡觉 的 时候 ， 孩子们 去 上学 了 。 </s>",
    "ko": "▁개가 ▁정원에서 ▁조용 히 ▁잠 자는 ▁동안 ▁아이들 은 ▁학교 에 ▁갔다 . </s>",
    "el": "▁Ο ▁σκύλος ▁κοιμάται ▁ήσυχα ▁στον ▁κήπο . </s>",
    "ru": "▁Соба ка ▁тихо ▁спит ▁в ▁сад у . </s>",
    "hi": "▁कुत्ता ▁बगीचे ▁में ▁सो ▁रहा ▁है । </s>",
    "ar": "▁كلب ▁ينام ▁في ▁الحديقة . </s>",
    "odd": "▁$5 ▁a_b$ ▁\\frac{1}{2} ▁^ ▁🐶 ▁𓀀 ▁\t <0xE3> </s>",
    "marks": "▁\0 \x1b[31m ▁a\u2028b \x85 \u200f\u200e \u202eab\u202c \ufeff \u200b \ufffd ▁▅ </s>",
}


TEXT = (("source", "text"),)


def draw(
    source: list[str], target: list[str], heading="Sentence 3", lines=TEXT, language=""
) -> Figure:
    weights = torch.rand(len(target), len(source))
    above, left = Axis(source, "source", language), Axis(target, "translation")
    return heatmap(weights, above, left, heading, lines)


def boxes(texts):
    return [text.get_window_extent() for text in texts if text.get_text()]


def title(figure: Figure) -> list[Text]:
    """The texts above the picture, from top to bottom; the names of the axes come first."""
    found = [text for text in figure.texts if text.get_va() == "top"]
    return sorted(found, key=lambda text: (-text.get_position()[1], text.get_position()[0]))


def shown(texts) -> list[tuple[str, str]]:
    return [(text.get_text(), str(text.get_color())) for text in texts]


@pytest.mark.parametrize("language", SENTENCES)
def test_every_label_is_drawn_and_covers_no_other(language):
    source, target = SENTENCES[language].split(" "), SENTENCES["de"].split(" ")
    for one, other in ((source, target), (target, source)):
        lines = [("source", " ".join(one)), ("translation", " ".join(other))]
        figure = draw(one, other, "Sentence 3 · step 2,000", lines)
        image = pixels(figure)
        above = boxes(figure.axes[0].get_xticklabels())
        left = boxes(figure.axes[0].get_yticklabels())
        around = boxes(title(figure))
        assert len(above) == len(one)
        assert len(left) == len(other)
        for a, b in itertools.pairwise(above):
            assert a.x1 <= b.x0 + 1
        for a, b in itertools.pairwise(left):
            assert b.y1 <= a.y0 + 4
        assert max(box.y1 for box in above) < min(box.y0 for box in around)
        assert min(box.x0 for box in (*left, *around)) > 0
        assert max(box.x1 for box in around) < image.shape[1]
        assert max(box.y1 for box in around) < image.shape[0]


@pytest.mark.parametrize("word", ["שיי", "شــ"])  # a tall letter, then low ones
def test_hebrew_and_arabic_are_drawn_from_right_to_left(word):
    figure = draw(["a"], [word])
    dark = pixels(figure)[..., 0] < 150
    (box,) = boxes(figure.axes[0].get_yticklabels())
    label = dark[len(dark) - round(box.y1) : len(dark) - round(box.y0)]
    third = round(box.width / 3)
    left, right = round(box.x0), round(box.x1)
    heights = [
        label[:, columns].any(1).sum()
        for columns in (slice(left, left + third), slice(right - third, right))
    ]
    assert 0 < 1.4 * heights[0] < heights[1]


def test_labels_are_at_their_cells_black_where_a_word_begins_and_have_no_space_mark():
    figure = draw(["▁a", "b", "▁", "c", "</s>"], ["d", "e"])
    axes = figure.axes[0]
    assert shown(axes.get_xticklabels()) == [
        ("a", BEGINS),
        ("b", CONTINUES),
        ("␣", CONTINUES),
        ("c", BEGINS),
        ("</s>", BEGINS),
    ]
    assert shown(axes.get_yticklabels()) == [("d", BEGINS), ("e", BEGINS)], "words, not pieces"
    assert list(axes.get_xticks()) == [0, 1, 2, 3, 4]
    assert axes.yaxis_inverted(), "the first target piece is on top"
    turned = {label.get_text(): label.get_rotation() for label in axes.get_xticklabels()}
    assert turned == {"a": 90, "b": 90, "␣": 0, "c": 90, "</s>": 90}
    figure = draw(["▁", "犬", "が"], ["d"], language="ja")
    assert {color for _, color in shown(figure.axes[0].get_xticklabels())} == {BEGINS}


def test_texts_and_axes_are_named():
    lines = [("source", "ein Hund"), ("translation", "a dog"), ("reference", "")]
    figure = draw(["▁ein"], ["▁a"], "sentence 3", lines)
    heading, *rest = title(figure)
    assert (heading.get_text(), heading.get_weight()) == ("sentence 3", "bold")
    assert [text for text, _ in shown(rest)] == ["source", "ein Hund", "translation", "a dog"]
    assert {color for _, color in shown(rest[::2])} == {SOFT}
    axes = [text for text in figure.texts if text.get_va() == "bottom"]
    assert [text for text, _ in shown(axes)] == ["source →", "translation ↓"]
    grid = figure.axes[0].get_window_extent()
    assert all(box.x1 < grid.x0 and box.y0 > grid.y1 for box in boxes(axes)), "in the corner"
    assert figure.axes[1].get_ylabel() == "attention weight"


def test_the_square_root_tells_weak_weights_apart():
    weights = torch.tensor([[0.0, 0.04, 0.16, 0.8]])
    sides = Axis(list("abcd")), Axis(["e"])
    plain, root = (heatmap(weights, *sides, "", [], scale=one) for one in ("linear", "sqrt"))
    shares = [figure.axes[0].images[0].norm([0.04, 0.16]).tolist() for figure in (plain, root)]
    assert shares == [pytest.approx([0.04, 0.16]), pytest.approx([0.2, 0.4])]
    assert [text.get_text() for text in root.axes[1].get_yticklabels()] == [
        *("0", "0.05", "0.25", "0.5", "1")
    ]


def test_several_attentions_have_one_text_and_one_colour_bar():
    def panel(name: str, num: int) -> Panel:
        return Panel(name, torch.eye(num, 3), Axis(list("abc")), Axis(["x"] * num), f"{name} text")

    panels = [panel(name, num) for name, num in (("one", 3), ("two", 9), ("three", 5))]
    image = several(panels, "sentence 3", [("source", "a b c")])
    blue = image[..., 2].astype(int) - image[..., 0] > 25
    top = np.flatnonzero((image[..., 0] < 20) & blue).min() // image.shape[1]  # of the bar
    shades = [len(set(map(tuple, image[rows, columns]))) for rows, columns in ((top, blue[top]),)]
    assert shades[0] > 100
    below = image[top + 40 :]
    assert len(set(map(tuple, below[blue[top + 40 :]]))) < 40, "no other bar"
    matrix = np.flatnonzero(blue[top + 40 :].sum(1) > 60).min()
    edges = np.diff(blue[top + 40 + matrix + 5].astype(int))
    assert (edges == 1).sum() == 3, "the first cells of all three are on a line"


def test_a_grid_has_names_and_repeats_the_labels():
    weights = torch.rand(2, 3, 4, 5)
    sides = Axis(list("abcde")), Axis(list("wxyz"))
    figure = heatmap(weights, *sides, "Sentence 1", TEXT, ["up", "down"], list("123"))
    pixels(figure)
    axes = figure.axes[0]
    across = [label.get_text() for label in axes.get_xticklabels()]
    assert across == [*"abcde", "", *"abcde", "", *"abcde"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [*"wxyz", "", *"wxyz"]
    image = axes.images[0].get_array()
    assert image.shape == (9, 17)
    torch.testing.assert_close(torch.tensor(image[5:, 6:11].data).float(), weights[1, 1])
    assert image.mask[4].all()
    assert image.mask[:, 5].all()

    names = figure.texts[:5]
    assert [name.get_text() for name in names] == ["up", "down", "1", "2", "3"]
    found = [name.get_window_extent() for name in names]
    left, above = boxes(axes.get_yticklabels()), boxes(axes.get_xticklabels())
    grid = axes.get_window_extent()
    assert max(box.x1 for box in found[:2]) < min(box.x0 for box in left)
    assert min(box.y0 for box in found[2:]) > max(box.y1 for box in above)
    assert min(box.y0 for box in boxes(title(figure))) > max(box.y1 for box in found[2:])
    for number, box in enumerate(found[2:]):  # over the middle of its panel
        middle = grid.x0 + grid.width * (6 * number + 2.5) / 17
        assert abs((box.x0 + box.x1) / 2 - middle) < 2


def test_darkness_is_the_weight_between_0_and_1():
    sides = Axis(list("abc")), Axis(["d"])
    figure = heatmap(torch.tensor([[0.0, 0.5, 1.0]]), *sides, "Sentence 1", [])
    image = figure.axes[0].images[0]
    assert image.get_clim() == (0, 1)
    red, green, blue = pixels(figure)[..., :3].astype(int).transpose(2, 0, 1)
    x0, y0, x1, y1 = figure.axes[0].get_window_extent().extents
    row = len(red) - int((y0 + y1) / 2)
    shades = [
        (red + green + blue)[row, int(x0 + (x1 - x0) * share)] for share in (1 / 6, 1 / 2, 5 / 6)
    ]
    assert shades[0] > shades[1] > shades[2]


@pytest.mark.parametrize("scale", ["linear", "sqrt"])
def test_weights_below_0_are_orange_and_those_of_0_stay_white(scale):
    sides = Axis(list("abcd")), Axis(["e"])
    figure = heatmap(torch.tensor([[-0.6, 0.0, 0.6, 0.1]]), *sides, "", [], scale=scale)
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-1, 1)
    below, none, above, little = image.cmap(image.norm(image.get_array()))[0, :, :3]
    assert below[0] > below[2], "orange"
    assert above[2] > above[0], "blue"
    assert none == pytest.approx([1, 1, 1], abs=0.01)
    assert little.sum() < 2.9 if scale == "sqrt" else little.sum() > 2.7
    ticks = [float(text.get_text()) for text in figure.axes[1].get_yticklabels()]
    assert (ticks[0], ticks[-1]) == (-1, 1)
    assert ticks == [-tick for tick in reversed(ticks)]


def test_a_weight_below_0_in_one_panel_changes_the_colours_of_all():
    def panel(least: float) -> Panel:
        return Panel("", torch.tensor([[0.3, least]]), Axis(["a", "b"]), Axis(["c"]))

    pages = [several([panel(0.0), panel(least)], "", []) for least in (0.0, -0.3)]
    left = [set(map(tuple, page[:, : page.shape[1] // 4].reshape(-1, 4))) for page in pages]
    shades = [
        tuple((255 * np.array(cmap(norm(0.3)))).round().astype(np.uint8))
        for cmap, norm in ((WEIGHTS, scaled("linear")), (SIGNED, scaled("linear", signed=True)))
    ]
    assert [shade in drawn for shade, drawn in zip(shades, left, strict=True)] == [True, True]
    assert shades[0] not in left[1]


def test_long_titles_are_wrapped_and_complete():
    line = "子供たちは学校へ行った。" * 20 + " and a great many words of English" * 9
    figure = draw(["a"], ["b"], lines=[("source", line)])
    heading, role, *rows = title(figure)
    assert (heading.get_text(), role.get_text()) == ("Sentence 3", "source")
    assert "".join(row.get_text() for row in rows).replace(" ", "") == line.replace(" ", "")
    assert max(box.x1 for box in boxes(rows)) < pixels(figure).shape[1]


def test_an_endless_line_is_cut_above_the_picture():
    pixels(draw(["a"], ["b"], lines=[("", "x " * 5_000_000)]))
    figure = draw(["a"], ["b"], lines=[("", "x" * 10_000)])
    assert "".join(text for text, _ in shown(title(figure))) == "Sentence 3" + "x" * 2000 + "…"


def test_what_no_font_has_is_written_as_its_number():
    assert drawable("a𓀀\n▁语") == "a‹13000›‹A›▁语"


@pytest.fixture
def without_packages(monkeypatch):
    """The extra `fonts` is not installed."""
    cached = (fonts.families, fonts._covered, fonts._warn_once)
    monkeypatch.setattr(fonts, "find_spec", lambda name: None)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


def test_without_the_fonts_of_the_extra_a_warning_says_how_to_get_them(without_packages, caplog):
    assert drawable("Übung שלום мир") == "Übung שלום мир"
    assert not caplog.messages
    assert [drawable("日本"), drawable("語")] == ["‹65E5›‹672C›", "‹8A9E›"]
    (message,) = caplog.messages
    assert message.endswith("pip install noto-cjk-sans-jp-regular manimgx-fonts")


@pytest.mark.parametrize("num", [1, 5, 50, 100])
def test_cells_have_room_for_text(num):
    assert 0.19 <= cell_size(num) <= 0.27


def test_a_very_long_sentence_is_no_huge_picture():
    assert cell_size(2000) * 2000 <= 36
    width, height = draw(["a"] * 300, ["b"]).get_size_inches()
    assert width < 40
    assert height < 5


def test_nothing_keeps_a_figure_alive():
    figure = draw(["a"], ["b"])
    pixels(figure)
    gone = weakref.ref(figure)
    del figure
    gc.collect()
    assert gone() is None
    assert not _pylab_helpers.Gcf.get_all_fig_managers()


def test_words_of_pieces():
    found, member = words(["▁gar", "den", ",", "▁", "<0xE7>", "<0x8A>", "<0xAC>", "</s>"])
    assert found == ["garden,", "犬", "</s>"]
    assert member.T.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1, 0], [0] * 7 + [1]]
    at_the_end, _ = words(["gar", "den▁", "a▁", "cat▁", "</s>"])  # treat_whitespace_as_suffix
    assert at_the_end == ["garden", "a", "cat", "</s>"]


def test_words_sum_over_the_source_and_average_over_the_target():
    weights = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    source, target = ["▁ein", "e", "</s>"], ["▁a", "b", "▁c", "</s>"]
    merged, source_words, target_words = merge_words(weights, source, target, ("de", "en"))
    assert (source_words, target_words) == (["eine", "</s>"], ["ab", "c", "</s>"])
    wanted = torch.tensor([[0.45, 0.55], [1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(merged, wanted)


@pytest.mark.parametrize("language", ["ja", "zh-CN", "zho_Hans", "mya_Mymr", "bo"])
def test_a_side_without_spaces_keeps_its_pieces(language):
    weights = torch.full((2, 3), 1 / 3)
    merged, source, target = merge_words(
        weights, ["▁犬", "が", "</s>"], ["▁do", "g"], (language, "en")
    )
    assert source == ["▁犬", "が", "</s>"]
    assert target == ["dog"]
    torch.testing.assert_close(merged, torch.full((1, 3), 1 / 3))
    merged, source, target = merge_words(weights, ["▁d", "o", "g"], ["▁犬", "が"], ("en", language))
    assert (source, target) == (["dog"], ["▁犬", "が"])
