"""What every normalizer promises, and each against its definition."""

from math import inf

import pytest
import torch
from choices import choose, names
from small_model import small_rnn
from torch import Tensor

from nmt.attention.normalize import Normalizer
from nmt.attention.place import Place, told
from nmt.errors import UserError
from nmt.laws.case import QUERY, VALUE
from nmt.laws.normalize import LAWS, weighed

NORMALIZERS = names("normalize")


def build(name: str, **settings: float) -> Normalizer:
    made = choose("normalize", name, k=2, noise=0.0, **settings)
    return told(made, query_width=QUERY, value_width=VALUE)()


def weigh(normalize: Normalizer, scores: Tensor) -> Tensor:
    """The weights for queries that are always the same."""
    torch.manual_seed(7)
    return weighed(normalize, scores)


def scores_with_holes() -> Tensor:
    """(3,5,7), -inf here and there but for one score of a row at least."""
    torch.manual_seed(1)
    scores = torch.randn(3, 5, 7, dtype=torch.float64)
    hidden = torch.rand(3, 5, 7) < 0.5
    hidden[..., 2] = False
    hidden[0, 0] = torch.arange(7) != 2
    return scores.masked_fill(hidden, -inf)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", NORMALIZERS)
def test_law_of_normalizers(name, law):
    law(build(name, fertility=0.3))  # so little that some keys have none left


@pytest.mark.parametrize("name", [name for name in NORMALIZERS if build(name).sums_to_one])
def test_a_number_added_to_all_scores_changes_nothing(name):
    normalize, scores = build(name), scores_with_holes()
    torch.testing.assert_close(weigh(normalize, scores + 5.0), weigh(normalize, scores))


@pytest.mark.parametrize("name", [name for name in NORMALIZERS if build(name).bounded])
def test_large_scores_are_no_trouble(name):
    scores = torch.tensor([[[1e4, -1e4, 1e4 - 100.0]]])
    expected = torch.tensor([[[1.0, 0.0, float(name == "sigmoid")]]])  # it judges each key alone
    torch.testing.assert_close(weigh(build(name), scores), expected)


@pytest.mark.parametrize(
    ("normalize", "alpha"),
    [
        (build("sparsemax"), 2.0),
        (build("entmax15"), 1.5),
        (choose("normalize", "entmax", alpha=1.3)(), 1.3),
    ],
    ids=["sparsemax", "entmax15", "entmax"],
)
def test_sparse_weights_are_those_of_their_threshold(normalize, alpha):
    """p_i = max(0, (α-1) z_i - τ)^(1/(α-1)), τ such that Σ p = 1 (Peters et al. 2019)."""
    scores = scores_with_holes()
    z = (alpha - 1) * scores
    low, high = z.max(-1, keepdim=True).values - 1, z.max(-1, keepdim=True).values
    for _ in range(60):
        tau = (low + high) / 2
        too_much = (z - tau).clamp(min=0).pow(1 / (alpha - 1)).sum(-1, keepdim=True) > 1
        low, high = torch.where(too_much, tau, low), torch.where(too_much, high, tau)
    expected = (z - tau).clamp(min=0).pow(1 / (alpha - 1))
    weights = normalize(scores)
    torch.testing.assert_close(weights, expected)
    assert (weights[scores > -inf] == 0).any()  # sparse: a visible key without weight


def test_hard_takes_the_best_key_forward_and_the_softmax_backward():
    hard = build("hard")
    scores = scores_with_holes().requires_grad_()
    weights = hard(scores)
    assert (weights.max(-1).indices == scores.max(-1).indices).all()
    assert ((weights != 0).sum(-1) == 1).all()
    direction = torch.randn_like(weights)
    (ours,) = torch.autograd.grad((weights * direction).sum(), scores)
    (softmax,) = torch.autograd.grad((scores.softmax(-1) * direction).sum(), scores)
    torch.testing.assert_close(ours, softmax)


def test_ssmax_is_the_softmax_sharpened_by_the_number_of_visible_keys():
    scores, ssmax = scores_with_holes(), choose("normalize", "ssmax", scale=0.7)(heads=3).double()
    ssmax.s.data[1] = 2.0
    weights = ssmax(scores[None])[0]
    for head, query in torch.cartesian_prod(torch.arange(3), torch.arange(5)).tolist():
        row = scores[head, query]
        n = (row > -inf).sum()
        seen = row[row > -inf] * (2.0 if head == 1 else 0.7) * n.double().log()
        torch.testing.assert_close(weights[head, query][row > -inf], seen.softmax(-1))


def test_those_without_a_sum_are_their_formulas():
    row = torch.tensor([1.5, -0.3, -inf, 0.2], dtype=torch.float64)
    seen = row[row > -inf]
    sigmoid = 1 / (1 + 3 * (-seen).exp())
    softpick = (seen.exp() - 1).relu() / (seen.exp() - 1).abs().sum()
    formulas = {"sigmoid": sigmoid, "softpick": softpick, "relu": seen * (seen > 0)}
    for name, expected in formulas.items():
        torch.testing.assert_close(build(name)(row[None])[0][row > -inf], expected)
    nothing = build("softpick")(torch.tensor([[-1.0, -2.0]]))
    assert not nothing.any(), "all scores below 0: the query looks at nothing"


@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_a_fixed_alpha_is_the_normalizer_of_that_name(alpha):
    same = build("sparsemax" if alpha == 2 else "entmax15")
    scores = scores_with_holes()
    ours = choose("normalize", "entmax", alpha=alpha)()(scores)
    torch.testing.assert_close(ours, same(scores), atol=1e-6, rtol=0)


def test_each_head_learns_an_alpha_of_its_own():
    entmax = build("entmax")
    assert entmax.a.sigmoid().item() + 1 == 1.5
    heads = choose("normalize", "entmax")(heads=3).double()
    heads.a.data[:, 0, 0] = torch.tensor([-9.0, 0.0, 9.0])  # softmax, entmax15, sparsemax nearly
    scores = scores_with_holes().requires_grad_()
    weights = heads(3 * scores[None])
    zeros = (weights == 0).sum((0, 2, 3))
    assert zeros[0] < zeros[1] <= zeros[2]
    (weights * torch.randn_like(weights)).sum().backward()
    assert heads.a.grad.isfinite().all()
    assert heads.a.grad[1].any()
    with pytest.raises(UserError, match=r"normalize\.alpha=1.0: must be above 1"):
        choose("normalize", "entmax", alpha=1.0)()


def test_the_gradient_of_a_learned_alpha_is_that_of_finite_differences():
    torch.manual_seed(4)
    heads, scores = choose("normalize", "entmax")(heads=2).double(), torch.randn(2, 3, 6).double()

    def weights(a: Tensor) -> Tensor:
        return torch.func.functional_call(heads, {"a": a}, (scores,))

    a = torch.tensor([-1.0, 0.5]).double()[:, None, None].requires_grad_()
    assert torch.autograd.gradcheck(weights, a, atol=1e-4)


def test_top_k_is_the_softmax_of_the_best_keys():
    weights = build("top_k")(torch.tensor([[0.1, 2.0, -inf, 1.0], [-inf, 3.0, -inf, -inf]]))
    torch.testing.assert_close(weights[0, [1, 3]], torch.tensor([2.0, 1.0]).softmax(-1))
    assert weights[0, 0] == 0
    assert weights[1].tolist() == [0, 1, 0, 0]


def order_of(place: Place, row: int, num: int) -> list[int]:
    """The keys in the order in which they take their share."""
    if place == Place.CROSS:
        return list(range(num))
    if place == Place.DECODER:
        return list(reversed(range(num)))
    return sorted(range(num), key=lambda j: (abs(j - row), j > row))


@pytest.mark.parametrize("place", Place)
def test_stick_breaking_takes_from_what_the_keys_before_have_left(place):
    torch.manual_seed(3)
    scores = torch.randn(2, 6, 6, dtype=torch.float64)
    scores[0, :, 4:] = -inf  # padding
    if place == Place.DECODER:
        scores = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), -inf)
    weights = choose("normalize", "stick_breaking")(heads=1, place=place)(scores)
    for b, row in torch.cartesian_prod(torch.arange(2), torch.arange(6)).tolist():
        left = 1.0
        for j in order_of(place, row, 6):
            expected = left * scores[b, row, j].sigmoid()
            torch.testing.assert_close(weights[b, row, j], expected)
            left = left - expected
    scores = (100 * scores).requires_grad_()
    choose("normalize", "stick_breaking")(heads=1, place=place)(scores).sum().backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "beside", "reason"),
    [
        (
            "stick_breaking",
            {"sink": "zero"},
            "sink= other than none .* StickBreaking as normalize=: .* no place in the order of",
        ),
        ("monotonic", {"sink": "key"}, "sink= other than none .* Monotonic as normalize="),
        ("monotonic", {"window": "local_m"}, "window= other than full .* normalize=monotonic"),
        ("sigmoid", {"sink": "zero"}, "sink=zero and sink=logit do not apply to Sigmoid"),
        ("softpick", {"sink": "logit"}, "sink=logit do not apply to Softpick .* has no gradient"),
    ],
)
def test_what_leaves_a_sink_or_a_window_nothing_to_do_is_refused(name, beside, reason):
    with pytest.raises(UserError, match=reason):
        small_rnn(normalize=name, **beside)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("temperature", {"base": 1.0}, r"normalize\.base=1\.0: must be above 1"),
        ("monotonic", {"noise": -1.0}, r"normalize\.noise=-1\.0"),
        ("constrained_softmax", {"fertility": 0.0}, r"normalize\.fertility=0\.0"),
        ("constrained_sparsemax", {"credit": -0.1}, r"normalize\.credit=-0\.1"),
        ("reinforce", {"soft": 1.5}, r"normalize\.soft=1\.5"),
        ("reinforce", {"entropy": -0.1}, r"normalize\.entropy=-0\.1"),
    ],
)
def test_settings_without_a_meaning_are_refused(name, settings, reason):
    with pytest.raises(UserError, match=reason):
        choose("normalize", name, **settings)()


def test_drawn_keys_have_the_probabilities_of_the_softmax():
    torch.manual_seed(5)
    scores = torch.tensor([0.5, 2.0, -inf, 1.0]).double()
    one = choose("normalize", "reinforce", soft=0.0)()
    drawn = one(scores.expand(20_000, 4))
    assert (drawn.max(-1).values == 1).all()
    assert (drawn.sum(-1) == 1).all()
    torch.testing.assert_close(drawn.mean(0), scores.softmax(-1), atol=0.02, rtol=0)
    assert drawn[:, 2].max() == 0
    half = choose("normalize", "reinforce", soft=0.3)()(scores.expand(20_000, 4))
    assert abs((half.max(-1).values < 1).double().mean() - 0.3) < 0.02
