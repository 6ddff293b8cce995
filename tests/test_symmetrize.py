"""Symmetrization against worked examples and against the pseudo-code of Koehn et al. 2005."""

import random

import pytest

from nmt.links.symmetrize import (
    NEIGHBOURS,
    SYMMETRIZATIONS,
    grow_diag_final_and,
    intersection,
    union,
)

Links = frozenset[tuple[int, int]]


def links(text: str) -> Links:
    pairs = (link.split("-") for link in text.split())
    return frozenset((int(i), int(j)) for i, j in pairs)


# The sentence pair with which Koehn's book (2010, section 4.5) explains symmetrization, with links
# made up for it: michael geht davon aus , dass er im haus bleibt / michael assumes that he will
# stay in the house.
GERMAN_TO_ENGLISH = links("0-0 1-1 5-2 6-3 9-5 7-6 8-8 9-4 7-7")
ENGLISH_TO_GERMAN = links("0-0 1-1 2-1 3-1 5-2 6-3 9-5 7-6 8-8")


def test_intersection_and_union():
    one, other = links("0-0 1-1 2-1"), links("0-0 2-1 2-2 3-3")
    assert intersection(one, other) == links("0-0 2-1")
    assert union(one, other) == links("0-0 1-1 2-1 2-2 3-3")


def test_a_worked_example():
    both = links("0-0 1-1 5-2 6-3 9-5 7-6 8-8")
    assert intersection(GERMAN_TO_ENGLISH, ENGLISH_TO_GERMAN) == both

    grown = grow_diag_final_and(GERMAN_TO_ENGLISH, ENGLISH_TO_GERMAN)

    # along 1-1: 2-1, then 3-1; beside 9-5: 9-4; beside 7-6: 7-7
    assert grown == both | links("2-1 3-1 9-4 7-7")


def test_a_diagonal_neighbour_is_taken_while_one_of_its_words_has_no_link():
    forward, backward = links("1-1 2-2"), links("1-1")
    assert grow_diag_final_and(forward, backward) == links("1-1 2-2")


def test_a_neighbour_between_words_that_have_links_is_not():
    forward, backward = links("0-0 1-1 0-1"), links("0-0 1-1")
    assert grow_diag_final_and(forward, backward) == links("0-0 1-1")


def test_final_and_takes_what_is_far_away_only_where_neither_word_has_a_link():
    forward, backward = links("0-0 5-5 0-7"), links("0-0 6-0")
    assert grow_diag_final_and(forward, backward) == links("0-0 5-5")


def test_final_and_prefers_the_forward_direction():
    forward, backward = links("0-0 4-6"), links("0-0 4-8")
    assert grow_diag_final_and(forward, backward) == links("0-0 4-6")
    assert grow_diag_final_and(backward, forward) == links("0-0 4-8")


def pseudo_code(forward: Links, backward: Links, sources: int, targets: int) -> set:
    """GROW-DIAG-FINAL-AND as the paper prints it, over matrices; e is the target."""
    a = {(f, e) for f in range(sources) for e in range(targets) if (f, e) in forward & backward}
    added = True
    while added:
        added = False
        for e in range(targets):
            for f in range(sources):
                if (f, e) in a:
                    for df, de in NEIGHBOURS:
                        new_f, new_e = f + df, e + de
                        free = all(x != new_f for x, _ in a) or all(y != new_e for _, y in a)
                        if (
                            free
                            and (new_f, new_e) in forward | backward
                            and (new_f, new_e) not in a
                        ):
                            a.add((new_f, new_e))
                            added = True
    for direction in (forward, backward):
        for new_e in range(targets):
            for new_f in range(sources):
                free = all(x != new_f for x, _ in a) and all(y != new_e for _, y in a)
                if free and (new_f, new_e) in direction:
                    a.add((new_f, new_e))
    return a


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_pseudo_code_of_the_paper(seed):
    draw = random.Random(seed)
    forward, backward = (
        frozenset((draw.randrange(7), draw.randrange(9)) for _ in range(draw.randint(0, 14)))
        for _ in range(2)
    )

    found = grow_diag_final_and(forward, backward)

    assert found == pseudo_code(forward, backward, 7, 9)
    assert forward & backward <= found <= forward | backward


def test_each_has_the_name_that_the_command_takes():
    kinds = intersection, union, grow_diag_final_and
    assert list(SYMMETRIZATIONS.values()) == list(kinds)
    assert list(SYMMETRIZATIONS) == [kind.__name__.replace("_", "-") for kind in kinds]
