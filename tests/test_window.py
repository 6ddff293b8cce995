"""Luong's local attention against plain loops over section 3.2 of the paper."""

from math import exp, inf, tanh

import pytest
import torch
from choices import choose
from small_model import small_rnn

from nmt.attention.fixed import Fixed
from nmt.attention.normalize import Softmax
from nmt.errors import UserError

T, S, D = 11, 7, 5
LENGTHS = (7, 3, 1)
RADIUS = 2


def scores_of_a_batch() -> torch.Tensor:
    torch.manual_seed(1)
    scores = torch.randn(len(LENGTHS), T, S, dtype=torch.float64)
    beyond = torch.arange(S) >= torch.tensor(LENGTHS)[:, None, None]
    return scores.masked_fill(beyond, -inf)


def window_of(name, radius=RADIUS):
    torch.manual_seed(2)
    return choose("window", name, radius=radius)(D).double()


def softmax_within(scores: list[float], p: float, length: int) -> list[float]:
    """align(h_t, h_s) over the keys s of [p - D, p + D] that exist, 0 outside."""
    inside = [s for s in range(length) if p - RADIUS <= s <= p + RADIUS]
    total = sum(exp(scores[s]) for s in inside)
    return [exp(scores[s]) / total if s in inside else 0.0 for s in range(S)]


def test_local_m_is_a_softmax_around_the_position_of_the_target():
    scores = scores_of_a_batch()
    weights = window_of("local_m")(Softmax(), scores, torch.empty(3, T, D), torch.arange(T))
    expected = [
        [softmax_within(row, min(t, length - 1), length) for t, row in enumerate(rows)]
        for rows, length in zip(scores.tolist(), LENGTHS, strict=True)
    ]
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64))


def test_local_m_takes_a_position_of_its_own_for_every_query():
    """As in a beam, whose hypotheses all stand at one place, or in sentences at several places."""
    scores, query = scores_of_a_batch(), torch.empty(3, T, D)
    window = window_of("local_m")
    at_once = window(Softmax(), scores, query, torch.arange(T))
    for t in (0, 3, 10):
        alike = scores[:, t : t + 1].expand_as(scores)
        beam = window(Softmax(), alike, query, torch.full((3, 1), t))
        torch.testing.assert_close(beam, at_once[:, t : t + 1].expand_as(beam))


def test_local_p_is_a_softmax_times_a_gaussian_around_the_place_it_predicts():
    scores, window = scores_of_a_batch(), window_of("local_p")
    with torch.no_grad():
        window.v.weight.mul_(10)  # so that places are spread over the source
    query = torch.randn(3, T, D, dtype=torch.float64)
    weights = window(Softmax(), scores, query, torch.arange(T))
    W, v = window.W.weight.tolist(), window.v.weight[0].tolist()
    places = set()
    for b, length in enumerate(LENGTHS):
        for t in range(T):
            hidden = [tanh(sum(w * x for w, x in zip(row, query[b, t], strict=True))) for row in W]
            p = length / (1 + exp(-sum(x * h for x, h in zip(v, hidden, strict=True))))
            align = softmax_within(scores[b, t].tolist(), p, length)
            sigma = RADIUS / 2
            expected = [align[s] * exp(-((s - p) ** 2) / (2 * sigma**2)) for s in range(S)]
            torch.testing.assert_close(weights[b, t].tolist(), expected)
            places.add(round(p))
    assert len(places) > 4


@pytest.mark.parametrize("end", [-1e4, 1e4])
def test_local_p_never_misses_the_source(end):
    """Not even with the smallest window, where the prediction is the very beginning or end."""
    window = window_of("local_p", radius=1)
    with torch.no_grad():
        window.v.weight.fill_(end)
        window.W.weight.fill_(1.0)
    weights = window(Softmax(), scores_of_a_batch(), torch.ones(3, T, D).double(), torch.arange(T))
    assert (weights.sum(-1) > 0.1).all()
    assert weights.isfinite().all()


def test_local_p_learns_where_to_look():
    """The gradient of key 5's weight moves the window towards it."""
    window, query = window_of("local_p"), torch.ones(1, 1, D, dtype=torch.float64)
    scores = torch.zeros(1, 1, S, dtype=torch.float64)

    def weights() -> torch.Tensor:
        return window(Softmax(), scores, query, torch.zeros(1, dtype=torch.int64))[0, 0]

    optimizer = torch.optim.SGD(window.parameters(), lr=0.3)
    assert weights().argmax() != 5
    for _ in range(100):
        optimizer.zero_grad()
        (-weights()[5]).backward()
        optimizer.step()
    assert weights().argmax() == 5


@pytest.mark.parametrize("name", ["local_m", "local_p"])
def test_a_window_without_room_is_refused(name):
    with pytest.raises(UserError, match=r"window\.radius=0"):
        window_of(name, radius=0)


# Fixed patterns: Raganato et al. 2020, section 3


def pattern(head: int, i: int, n: int) -> list[float]:
    """What head 0 to 6 gives the keys 0 to n-1, from the place i."""
    i = min(i, n - 1)
    found = {
        0: [float(j == i) for j in range(n)],
        1: [float(j == i - 1) for j in range(n)],
        2: [float(j == i + 1) for j in range(n)],
        3: [(j + 1.0) ** 3 * (j < i - 1) for j in range(n)],
        4: [float(n - j) ** 3 * (j > i + 1) for j in range(n)],
        5: [(j + 1.0) ** 3 for j in range(n)],
        6: [float(n - j) ** 3 for j in range(n)],
    }[head]
    found = found if sum(found) else [float(j == i) for j in range(n)]
    return [one / sum(found) for one in found]


@pytest.mark.parametrize(("heads", "patterns"), [(8, 7), (9, 7), (3, 7), (8, 2)])
def test_fixed_heads_have_their_pattern_and_the_others_their_scores(heads, patterns):
    scores = scores_of_a_batch()[:, None].repeat(1, heads, 1, 1)
    window = Fixed(D, patterns)
    weights = window(Softmax(), scores, torch.empty(3, T, D), torch.arange(T)[None])
    fixed = min(patterns, heads - 1)
    torch.testing.assert_close(weights[:, fixed:], scores[:, fixed:].softmax(-1))
    for row, n in enumerate(LENGTHS):
        for head in range(fixed):
            expected = [pattern(head, i, n) + [0.0] * (S - n) for i in range(T)]
            found = torch.tensor(expected, dtype=torch.float64)
            torch.testing.assert_close(weights[row, head], found)


def test_fixed_patterns_have_no_meaning_for_one_head_or_with_a_sink():
    with pytest.raises(UserError, match=r"window=fixed .* model\.heads=2 or more"):
        small_rnn(window="fixed", heads=1)
    with pytest.raises(UserError, match=r"sink= other .* window=fixed.* Remove sink="):
        small_rnn(window="fixed", sink="zero")
    with pytest.raises(UserError, match=r"window\.patterns=8"):
        Fixed(D, 8)
