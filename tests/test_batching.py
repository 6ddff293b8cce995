"""Batches keep the budget, take every line once, and depend on (seed, epoch) alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.batches import batching
from nmt.batches.batching import padding_share, token_batches


def lengths_like_captions(number: int, seed: int = 0) -> np.ndarray:
    """Lengths that spread and correlate as those of a corpus of short sentences do."""
    random = np.random.default_rng(seed)
    source = 4 + random.gamma(5, 2, number).astype(int)
    return np.stack([source, np.maximum(2, source + random.integers(-3, 4, number))], 1)


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80),
    max_tokens=st.integers(30, 200),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_every_line_once_and_no_batch_over_the_budget(lengths, max_tokens, seed, epoch) -> None:
    array = np.array(lengths)
    batches = token_batches(array, max_tokens, seed, epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(map(len, batches))
    assert all(len(batch) * array[batch].max() <= max_tokens for batch in batches)


def plain_batches(lengths: np.ndarray, max_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """What `token_batches` does, pair by pair and in lists."""
    longest = lengths.max(1)
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = max(1, round(batching.POOL * max_tokens / longest.mean()))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        batch: list[int] = []
        for row in sorted(
            order[start : start + pool].tolist(),
            key=lambda row: (lengths[row, 1], lengths[row, 0] * (-1) ** (lengths[row, 1] + 1)),
        ):
            if (len(batch) + 1) * max(longest[[*batch, row]]) > max_tokens:
                batches.append(batch)
                batch = []
            batch.append(row)
        batches.append(batch)
    return [batches[number] for number in random.permutation(len(batches))]


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=80),
    max_tokens=st.integers(30, 200),
    pool=st.sampled_from([1, 256]),
    seed=st.integers(0, 3),
)
def test_batches_are_those_of_the_plain_twin(lengths, max_tokens, pool, seed) -> None:
    array = np.array(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "POOL", pool)
        found = token_batches(array, max_tokens, seed, 5)
        plain = plain_batches(array, max_tokens, seed, 5)
    assert len(found) == len(plain)
    assert list(map(list, found)) == plain
    assert list(map(list, found[2:])) == plain[2:]


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    lengths = lengths_like_captions(1100)
    first = token_batches(lengths, 700, 3, 5)
    np.random.seed(0)
    token_batches(lengths, 700, 3, 6)
    again = token_batches(lengths, 700, 3, 5)
    assert list(map(list, again)) == list(map(list, first))
    for seed, epoch in ((3, 6), (4, 5), (5, 3)):
        other = token_batches(lengths, 700, seed, epoch)
        assert {tuple(sorted(batch)) for batch in other} != {tuple(sorted(b)) for b in first}


def test_batches_come_in_no_order_of_length() -> None:
    lengths = lengths_like_captions(5000)
    batches = token_batches(lengths, 700, 1, 0)
    means = np.array([lengths[batch].mean() for batch in batches])
    place = np.arange(len(means))
    assert abs(np.corrcoef(place, means)[0, 1]) < 0.3


def test_pairs_meet_other_pairs_in_other_epochs() -> None:
    lengths = lengths_like_captions(20_000)

    def company(epoch: int) -> set[int]:
        batches = token_batches(lengths, 2000, 1, epoch)
        return next(set(batch) for batch in batches if 0 in batch)

    assert len(company(0) & company(1)) < 0.5 * len(company(0))


def test_padding_is_little() -> None:
    lengths = lengths_like_captions(29_000)
    for epoch in range(3):
        assert padding_share(lengths, token_batches(lengths, 4096, 1, epoch)) < 0.1


def test_batches_are_nearly_full() -> None:
    lengths = lengths_like_captions(29_000)
    batches = token_batches(lengths, 4096, 1, 0)
    fill = [len(batch) * lengths[batch].max() for batch in batches]
    assert np.mean(fill) > 0.9 * 4096


def test_padding_share_is_what_it_says() -> None:
    lengths = np.array([[3, 5], [7, 2], [1, 1]])
    # First batch: 2 rows of 7 and of 5 places = 24, 17 of them filled; the second is full.
    assert padding_share(lengths, [np.array([0, 1]), np.array([2])]) == pytest.approx(
        (24 - 17) / (24 + 2)
    )


def test_a_pair_over_the_budget_is_ours_to_prevent() -> None:
    with pytest.raises(AssertionError, match="longer than the budget"):
        token_batches(np.array([[3, 11]]), 10, 1, 0)
