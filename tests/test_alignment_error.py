"""The alignment error rate against a case computed by hand (Och and Ney 2003)."""

import pytest

from nmt.links.error import Counts, count
from nmt.links.links import Gold, sure_only


def links(text: str) -> frozenset[tuple[int, int]]:
    return frozenset((int(link[0]), int(link[2])) for link in text.split())


# A = 5 links: 2 of the 3 sure ones, 2 that are only possible, 1 wrong.
FOUND = links("0-0 1-1 2-3 3-2 4-4")
GOLD = Gold(links("0-0 1-1 2-2"), links("0-0 1-1 2-2 2-3 3-2 5-5"))


def test_a_case_computed_by_hand():
    counts = Counts.of(FOUND, GOLD)

    assert counts == (5, 3, 2, 4)
    assert counts.precision == pytest.approx(4 / 5)
    assert counts.recall == pytest.approx(2 / 3)
    assert counts.error == pytest.approx(1 - (2 + 4) / (5 + 3))


def test_a_corpus_is_counted_as_one_and_not_the_mean_of_its_sentences():
    other = links("1-0 1-1"), sure_only(links("1-0"))  # 1 of 2 right, none missed

    counts = count([FOUND, other[0]], [GOLD, other[1]])

    assert counts == (7, 4, 3, 5)
    assert counts.error == pytest.approx(1 - 8 / 11)


def test_with_sure_links_alone_it_is_one_minus_f1():
    counts = Counts.of(links("0-0 1-1 2-3"), sure_only(links("0-0 1-1 2-2 3-3")))

    f1 = 2 * counts.precision * counts.recall / (counts.precision + counts.recall)
    assert counts.error == pytest.approx(1 - f1)


def test_the_ends_of_the_scale():
    gold = Gold(links("0-0"), links("0-0 1-1"))

    assert Counts.of(links("0-0"), gold).error == 0
    assert Counts.of(links("0-0 1-1"), gold).error == 0, "a possible link costs nothing"
    assert Counts.of(links("2-2"), gold).error == 1
    nothing = Counts.of(links(""), gold)
    assert (nothing.error, nothing.precision, nothing.recall) == (1, 0, 0)


def test_every_line_needs_its_gold():
    with pytest.raises(ValueError, match="zip"):
        count([FOUND], [GOLD, GOLD])
