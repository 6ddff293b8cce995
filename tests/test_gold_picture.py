"""Alignments over a heatmap: boxes and dots where the links are."""

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nmt.links.bitext import Bitext, Side
from nmt.links.links import Gold
from nmt.report.gold import draw_alignments, draw_gold, draw_links
from nmt.report.heatmap import Axis, heatmap, pixels


@pytest.fixture
def figure() -> Figure:
    return heatmap(torch.rand(3, 5), Axis([*"abcde"]), Axis([*"xyz"]), "sentence 1", [])


def test_a_box_around_each_gold_link(figure):
    draw_gold(figure, Gold(frozenset({(4, 0)}), frozenset({(4, 0), (1, 2)})))

    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    centres = [(x + w / 2, y + h / 2) for (x, y), w, h in (shape(box) for box in boxes)]
    assert sorted(centres) == [pytest.approx((1, 2)), pytest.approx((4, 0))]
    dashed = {
        round(x): box.get_linestyle() != "-" for (x, _), box in zip(centres, boxes, strict=True)
    }
    assert dashed == {4: False, 1: True}


def shape(box: Rectangle) -> tuple[tuple[float, float], float, float]:
    return box.get_xy(), box.get_width(), box.get_height()


def test_a_dot_in_the_cell_of_each_link_that_was_found(figure):
    limits = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()

    draw_links(figure, frozenset({(0, 2), (3, 1)}))

    (dots,) = figure.axes[0].collections[-1:]
    assert sorted(map(tuple, dots.get_offsets().tolist())) == [(0, 2), (3, 1)]
    assert (figure.axes[0].get_xlim(), figure.axes[0].get_ylim()) == limits
    pixels(figure)


def test_pictures_of_the_first_lines_that_have_words(tmp_path):
    source = Side("de", ["a b", "", "c", "d"], [["a", "b"], [], ["c"], ["d"]], "")
    target = Side("en", ["x", "y", "z w", "v"], [["x"], ["y"], ["z", "w"], ["v"]], "")
    weights = [torch.rand(1, 2), torch.zeros(1, 0), torch.rand(2, 1), torch.rand(1, 1)]
    links = [frozenset({(1, 0)}), frozenset(), frozenset({(0, 1)}), frozenset()]

    draw_alignments(tmp_path, Bitext(source, target), weights, links, num=3)

    assert sorted(p.name for p in tmp_path.iterdir()) == ["sentence-1.png", "sentence-3.png"]

    drawn = (tmp_path / "sentence-1.png").read_bytes()
    draw_alignments(tmp_path, Bitext(source, target), weights, links, 1, "sqrt")
    assert (tmp_path / "sentence-1.png").read_bytes() != drawn, "other colours"
