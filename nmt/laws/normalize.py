"""The laws of normalizers. Each takes one for one head; see :mod:`nmt.laws.attention`."""

from copy import deepcopy
from math import inf

import torch
from torch import Tensor

from nmt.attention.history import Historic
from nmt.attention.normalize import Normalizer
from nmt.laws.case import QUERY, VALUE
from nmt.laws.law import require, require_gradients

B, T, S = 3, 5, 40


def scores_with_holes() -> Tensor:
    """(B,T,S), -inf here and there but for one score of a row at least."""
    scores = 3 * torch.randn(B, T, S, dtype=torch.float64)
    hidden = torch.rand(B, T, S) < 0.5
    hidden[..., 2] = False
    hidden[0, 0] = torch.arange(S) != 2
    return scores.masked_fill(hidden, -inf)


def weighed(normalize: Normalizer, scores: Tensor) -> Tensor:
    """Return the weights (B,T,S) for queries that are drawn; with a history, row after row."""
    num, _, num_keys = scores.shape
    query = torch.randn(*scores.shape[:-1], QUERY, dtype=scores.dtype)
    if not isinstance(normalize, Historic):
        return normalize(scores, query=query)
    values = torch.randn(num, num_keys, VALUE, dtype=scores.dtype)
    past = normalize.before(num_keys, VALUE, scores.device).expand(num, 1, -1)
    found: list[Tensor] = []
    for row, one in zip(scores.split(1, 1), query.split(1, 1), strict=True):
        found.append(normalize(row, query=one, past=past))
        past = normalize.after(past, found[-1], found[-1] @ values)
    return torch.cat(found, 1)


def facts_are_as_declared(normalize: Normalizer) -> None:
    """``sums_to_one``, ``exceeds_one``, ``exact_zeros``, ``negative`` and ``bounded``."""
    scores = scores_with_holes()
    weights = weighed(normalize, scores)
    require(weights.shape == scores.shape, f"{tuple(weights.shape)} for {tuple(scores.shape)}")
    other = deepcopy(normalize).train(not normalize.training)  # outside of training, or in it
    weights, scores = torch.cat([weights, weighed(other, scores)]), scores.repeat(2, 1, 1)
    visible = scores > -inf
    total = weights.sum(-1)
    found = {
        "sums_to_one": torch.allclose(total, torch.ones_like(total)),
        "exceeds_one": bool((total > 1 + 1e-6).any()),
        "exact_zeros": bool((weights[visible] == 0).any()),
        "negative": bool((weights < 0).any()),
        "bounded": not (weights > 1 + 1e-6).any(),
    }
    numbers = {
        "sums_to_one": f"sums are {total.min():.3f} to {total.max():.3f}",
        "exceeds_one": f"the largest sum is {total.max():.3f}",
        "exact_zeros": f"{int((weights[visible] == 0).sum())} of {int(visible.sum())} are 0",
        "negative": f"the least weight is {weights.min():.1e}",
        "bounded": f"the largest weight is {weights.max():.1e}",
    }
    for fact, seen in found.items():
        require(seen == getattr(normalize, fact), f"{fact} is {not seen}, and {numbers[fact]}")


def hidden_keys_have_no_weight_and_no_gradient(normalize: Normalizer) -> None:
    """Where the score is -inf."""
    scores = scores_with_holes().requires_grad_()
    weights, hidden = weighed(normalize, scores), scores == -inf
    require((weights[hidden] == 0).all(), f"weights up to {weights[hidden].abs().max():.1e}")
    (weights * torch.randn_like(weights)).sum().backward()
    assert scores.grad is not None
    require(scores.grad.isfinite().all(), "a gradient is not finite")
    require(scores.grad.any(), "no gradient reaches any score")
    require((scores.grad[hidden] == 0).all(), "a gradient reaches a hidden score")


def large_scores_have_finite_weights(normalize: Normalizer) -> None:
    """In float32, as in a model whose training diverges."""
    weights = weighed(normalize.float(), torch.tensor([[[1e4, -1e4, 1e4 - 100.0]]]))
    normalize.double()
    require(weights.isfinite().all(), f"weights {weights.flatten().tolist()}")


def gradients_are_those_of_finite_differences(normalize: Normalizer) -> None:
    """But for ``exact_gradient = False``, which has another one on purpose."""
    if normalize.exact_gradient:
        query = torch.randn(1, 3, QUERY, dtype=torch.float64)
        scores = torch.randn(1, 3, 5, dtype=torch.float64, requires_grad=True)
        require_gradients(lambda scores: normalize(scores, query=query), scores)
        if isinstance(normalize, Historic):
            first = normalize.before(5, VALUE, scores.device).double()
            past = (first + 0.1 * torch.rand(1, 3, len(first))).requires_grad_()
            require_gradients(
                lambda scores, past: normalize(scores, query=query, past=past), scores, past
            )


LAWS = (
    facts_are_as_declared,
    hidden_keys_have_no_weight_and_no_gradient,
    large_scores_have_finite_weights,
    gradients_are_those_of_finite_differences,
)
