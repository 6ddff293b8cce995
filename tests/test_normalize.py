"""What every normalizer promises, and each against its definition."""

from math import inf

import pytest
import torch
from choices import choose, names
from torch import Tensor

NORMALIZERS = names("normalize")


def scores_with_holes() -> Tensor:
    """(3,5,7), -inf here and there but for one score of a row at least."""
    torch.manual_seed(1)
    scores = torch.randn(3, 5, 7, dtype=torch.float64)
    hidden = torch.rand(3, 5, 7) < 0.5
    hidden[..., 2] = False
    hidden[0, 0] = torch.arange(7) != 2
    return scores.masked_fill(hidden, -inf)


@pytest.mark.parametrize("name", NORMALIZERS)
def test_weights_sum_to_one_and_vanish_where_the_score_is_minus_infinity(name):
    scores = scores_with_holes()
    weights = choose("normalize", name)()(scores)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 5, dtype=torch.float64))
    assert (weights >= 0).all()
    assert (weights[scores == -inf] == 0).all()


@pytest.mark.parametrize("name", NORMALIZERS)
def test_gradient_is_finite_and_vanishes_where_the_score_is_minus_infinity(name):
    scores = scores_with_holes().requires_grad_()
    weights = choose("normalize", name)()(scores)
    (weights * torch.randn_like(weights)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad.any()
    assert (scores.grad[scores == -inf] == 0).all()


@pytest.mark.parametrize("name", NORMALIZERS)
def test_a_number_added_to_all_scores_changes_nothing(name):
    normalize, scores = choose("normalize", name)(), scores_with_holes()
    torch.testing.assert_close(normalize(scores + 5.0), normalize(scores))


@pytest.mark.parametrize("name", NORMALIZERS)
def test_large_scores_are_no_trouble(name):
    scores = torch.tensor([[1e4, -1e4, 1e4 - 100.0]])
    torch.testing.assert_close(choose("normalize", name)()(scores), torch.tensor([[1.0, 0.0, 0.0]]))


@pytest.mark.parametrize(("name", "alpha"), [("sparsemax", 2.0), ("entmax15", 1.5)])
def test_sparse_weights_are_those_of_their_threshold(name, alpha):
    """p_i = max(0, (α-1) z_i - τ)^(1/(α-1)), τ such that Σ p = 1 (Peters et al. 2019)."""
    scores = scores_with_holes()
    z = (alpha - 1) * scores
    low, high = z.max(-1, keepdim=True).values - 1, z.max(-1, keepdim=True).values
    for _ in range(60):
        tau = (low + high) / 2
        too_much = (z - tau).clamp(min=0).pow(1 / (alpha - 1)).sum(-1, keepdim=True) > 1
        low, high = torch.where(too_much, tau, low), torch.where(too_much, high, tau)
    expected = (z - tau).clamp(min=0).pow(1 / (alpha - 1))
    weights = choose("normalize", name)()(scores)
    torch.testing.assert_close(weights, expected)
    assert (weights[scores > -inf] == 0).any()  # sparse: a visible key without weight


@pytest.mark.parametrize("name", [name for name in NORMALIZERS if name != "hard"])
def test_gradient_is_that_of_finite_differences(name):
    torch.manual_seed(2)
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(choose("normalize", name)(), scores)


def test_hard_takes_the_best_key_forward_and_the_softmax_backward():
    hard = choose("normalize", "hard")()
    scores = scores_with_holes().requires_grad_()
    weights = hard(scores)
    assert (weights.max(-1).indices == scores.max(-1).indices).all()
    assert ((weights != 0).sum(-1) == 1).all()
    direction = torch.randn_like(weights)
    (ours,) = torch.autograd.grad((weights * direction).sum(), scores)
    (softmax,) = torch.autograd.grad((scores.softmax(-1) * direction).sum(), scores)
    torch.testing.assert_close(ours, softmax)
