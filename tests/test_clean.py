"""What is left out of train, and the table that says so."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from nmt.data.clean import Clean, CleaningReport, Judge, clean_lengths, clean_text
from nmt.data.text import Text
from nmt.errors import UserError

TRAIN = [
    ("a", "x"),
    ("", "y"),
    ("b", " \u3000"),
    ("Jakob", "Jakob"),
    ("a", "x "),  # a duplicate but for a space
    ("dev", "set"),
    ("dev", "another translation"),
    ("test", "set"),
    ("n\0ll", "n"),
    ("q", "\x92"),
    ("c\t\u2028\x85", "z\u200f"),  # white space, and a mark of direction
]
HELD_OUT = [(["dev", "a"], ["set", "y"]), (["test"], ["set"])]


def blocks(size: int) -> Iterator[Text]:
    """TRAIN, so many pairs at a time."""
    for start in range(0, len(TRAIN), size):
        source, target = zip(*TRAIN[start : start + size], strict=True)
        yield list(source), list(target)


def cleaned(
    train: Iterable[Text], held_out: list[Text], clean: Clean
) -> tuple[np.ndarray, CleaningReport]:
    judge = Judge.of(clean, held_out)
    return clean_text(judge, map(judge, train))


def kept(clean: Clean, size: int = 4) -> list[tuple[str, str]]:
    rows, _ = cleaned(blocks(size), HELD_OUT, clean)
    return [TRAIN[row] for row in rows]


def test_text_is_cleaned_and_counted_by_reason() -> None:
    rows, report = cleaned(blocks(3), HELD_OUT, Clean())
    assert rows.tolist() == [0, 6, 10]
    assert report.rows() == [
        ("read", 11, 1.0),
        ("a side is empty", 2, 2 / 11),
        ("a control character", 2, 2 / 11),
        ("source equals target", 1, 1 / 11),
        ("also in dev or test", 2, 2 / 11),
        ("duplicate", 1, 1 / 11),
        ("kept", 3, 3 / 11),
    ]


def test_the_piece_of_a_language_does_not_hide_that_a_source_equals_its_target() -> None:
    text = ["<2en> Jakob", "<2en> kato"], ["Jakob", "cat"]
    rows, report = cleaned([text], [], Clean())
    assert rows.tolist() == [1]
    assert ("source equals target", 1, 0.5) in report.rows()


def test_an_endless_line_is_counted_before_it_is_cut_into_pieces() -> None:
    clean = Clean(max_pieces=10)
    text = ["a", "x" * 641, "y" * 640], ["b", "c", "z"]
    rows, report = cleaned([text], [], clean)
    assert rows.tolist() == [0, 2]
    clean_lengths(np.array([[1, 1], [40, 1]]), clean, report)
    assert report.rows()[-3:-1] == [("over 10 pieces", 2, 2 / 3), ("ratio over 4", 0, 0.0)]


def test_each_rule_but_emptiness_can_be_switched_off() -> None:
    assert ("Jakob", "Jakob") in kept(Clean(drop_equal=False))
    assert ("test", "set") in kept(Clean(drop_held_out=False))
    assert ("a", "x ") in kept(Clean(drop_duplicates=False))
    assert ("n\0ll", "n") in kept(Clean(drop_control=False))
    everything = Clean(
        drop_control=False, drop_equal=False, drop_held_out=False, drop_duplicates=False
    )
    assert kept(everything) == [pair for pair in TRAIN if pair[0] and pair[1].strip()]


@pytest.mark.parametrize("size", [3, 5, 11])
def test_a_duplicate_is_found_in_any_block(size: int) -> None:
    assert kept(Clean(), size) == [TRAIN[0], TRAIN[6], TRAIN[10]]


def test_what_was_left_out_is_nothing_that_a_pair_could_repeat() -> None:
    held = [(["a"], ["x"])]
    rows, report = cleaned([(["a", "a", "b"], ["x", "x", "y"])], held, Clean())
    assert rows.tolist() == [2]
    assert (report.dropped["also in dev or test"], report.dropped["duplicate"]) == (2, 0)


def test_lengths_and_ratio_count_pieces() -> None:
    report = CleaningReport(6)
    lengths = np.array([[5, 7], [31, 3], [30, 7], [30, 30], [11, 3], [3, 10]])
    stay = clean_lengths(lengths, Clean(max_pieces=30, max_ratio=3, ratio_from=10), report)
    # 31 is too long; 30:7 and 11:3 are over 3 to 1; 3:10 is too, but short.
    assert stay.tolist() == [0, 3, 5]
    assert report.rows()[1:] == [
        ("over 30 pieces", 1, 1 / 6),
        ("ratio over 3", 2, 2 / 6),
        ("kept", 3, 3 / 6),
    ]


def test_the_table_lines_up() -> None:
    table = str(CleaningReport(12345, {"duplicate": 45, "over 100 pieces": 0})).splitlines()
    assert [line.split() for line in table] == [
        ["read", "12,345", "100.00%"],
        ["duplicate", "45", "0.36%"],
        ["over", "100", "pieces", "0", "0.00%"],
        ["kept", "12,300", "99.64%"],
    ]
    assert len({len(line) for line in table}) == 1


def test_nothing_left_is_refused_with_the_table() -> None:
    same = ["a", "b"], ["a", ""]
    with pytest.raises(UserError, match=r"no training pair is left(.|\n)*source equals target +1 "):
        cleaned([same], [], Clean())[1].require_some()
    with pytest.raises(UserError, match=r"no training pair is left(.|\n)*read +0 "):
        cleaned([], [], Clean())[1].require_some()
    report = CleaningReport(2)
    assert not len(clean_lengths(np.array([[5, 3], [7, 2]]), Clean(max_pieces=3), report))
    with pytest.raises(UserError, match=r"no training pair is left(.|\n)*over 3 pieces +2 "):
        report.require_some()
