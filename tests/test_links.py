"""Word links and their files: Pharaoh format, and gold standards with possible links."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.links.links import Gold, flip, pharaoh, read_links, written

PAIR = st.tuples(st.integers(0, 60), st.integers(0, 60))
SENTENCE = st.frozensets(PAIR, max_size=9)


@given(sentences=st.lists(SENTENCE, min_size=1, max_size=7).filter(any), base=st.integers(0, 1))
def test_what_is_written_is_read_again(tmp_path_factory, sentences, base):
    path = tmp_path_factory.mktemp("links") / "alignments.txt"
    shifted = [frozenset((i + base, j + base) for i, j in links) for links in sentences]
    path.write_text(written(shifted))

    assert read_links(path, base) == [Gold(links, links) for links in sentences]


def test_pharaoh_counts_from_0_in_the_order_of_the_target():
    assert pharaoh(frozenset({(2, 0), (10, 1), (9, 1), (0, 3)})) == "2-0 9-1 10-1 0-3"
    assert pharaoh(frozenset()) == ""


def test_possible_links_include_the_sure_ones(tmp_path):
    path = tmp_path / "gold.gz"
    path.write_bytes(gzip.compress(b"1-2 3p1\n\n4p4\n"))

    gold = read_links(path, base=1, sizes=[(3, 2), (1, 1), (4, 5)])

    assert gold[0] == Gold(frozenset({(0, 1)}), frozenset({(0, 1), (2, 0)}))
    assert gold[1] == Gold(frozenset(), frozenset())
    assert gold[2] == Gold(frozenset(), frozenset({(3, 3)}))


def test_flip_exchanges_the_sides():
    assert flip(frozenset({(1, 2), (0, 5)})) == {(2, 1), (5, 0)}


@pytest.mark.parametrize(
    ("text", "base", "told"),
    [
        ("1-1\n1_2", 1, ["line 2", "1_2", "1-2", "1p2"]),
        ("1-1\n1-", 1, ["line 2", "'1-'"]),
        ("1-1\n1--2", 1, ["line 2", "1--2"]),
        ("1-1\n1-x", 0, ["line 2", "0-1"]),
        ("1-1\n2-0", 1, ["line 2", "2-0", "counted from 1"]),
        ("1-1\n4-2", 1, ["line 2", "4-2", "source word 4", "3 words"]),
        ("1-1\n2-3", 0, ["line 2", "2-3", "target word 3", "2 words"]),
        ("1-1", 1, ["1 sentence pairs", "text has 2"]),
        ("1-1\n1-1\n1-1", 1, ["3 sentence pairs", "text has 2"]),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_line(text, base, told, tmp_path):
    path = tmp_path / "gold"
    path.write_text(text + "\n")

    with pytest.raises(UserError) as error:
        read_links(path, base, sizes=[(5, 7), (3, 2)])

    assert all(part in str(error.value) for part in [str(path), *told]), error.value


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UserError, match="nowhere: no such file"):
        read_links(Path("nowhere"), base=1)
