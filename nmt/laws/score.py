"""The laws of scores. Each takes a score in float64; see :mod:`nmt.laws.attention`."""

import torch
from torch import Tensor

from nmt.attention.score import Score
from nmt.laws.law import require, require_gradients, same

B, T, S = 2, 3, 4


def scored(score: Score, query: Tensor, keys: Tensor) -> Tensor:
    """Return the scores (B,T,S)."""
    return score(query, score.prepare(keys))


def some(score: Score) -> tuple[Tensor, Tensor]:
    """Return queries (B,T,Dq) and keys (B,S,Dk)."""
    query = torch.randn(B, T, score.query_width, dtype=torch.float64)
    return query, torch.randn(B, S, score.key_width, dtype=torch.float64)


def scores_have_their_shape(score: Score) -> None:
    """(…,T,Dq), (…,S,Dk) -> (…,T,S) with any axes in front, and nowhere nan or +inf."""
    query, keys = some(score)
    for axes in ((), (B,), (5, 3)):
        found = scored(score, query[0].expand(*axes, -1, -1), keys[0].expand(*axes, -1, -1))
        require(found.shape == (*axes, T, S), f"{tuple(found.shape)} for {(*axes, T, S)}")
        require((found < float("inf")).all(), "a score is nan or +inf")


def permuted_keys_have_permuted_scores(score: Score) -> float | None:
    """It sees one key at a time. Scores with ``reads_keys = False`` see positions, not keys."""
    if not score.reads_keys:
        return None
    query, keys = some(score)
    order = torch.tensor([2, 0, 3, 1])
    return same(scored(score, query, keys[:, order]), scored(score, query, keys)[..., order])


def keeps_angle_is_as_declared(score: Score) -> None:
    """``keeps_angle``: of query and key only their angle and lengths count."""
    if score.query_width != score.key_width:
        return
    query, keys = some(score)
    width = score.query_width
    rotation = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64)).Q
    straight, turned = scored(score, query, keys), scored(score, query @ rotation, keys @ rotation)
    if torch.allclose(turned, straight):
        require(score.keeps_angle, "scores stay as they are: declare keeps_angle = True")
    else:
        change = (turned - straight).abs().nan_to_num(0.0).max()
        require(not score.keeps_angle, f"keeps_angle is True, and scores change by {change:.1e}")


def gradients_are_those_of_finite_differences(score: Score) -> None:
    """Of the finite scores, by query and key."""
    query, keys = some(score)

    def finite(query: Tensor, keys: Tensor) -> Tensor:
        found = scored(score, query, keys)
        return found.masked_fill(~found.isfinite(), 0.0)

    require_gradients(finite, query[:1].requires_grad_(), keys[:1].requires_grad_())


LAWS = (
    scores_have_their_shape,
    permuted_keys_have_permuted_scores,
    keeps_angle_is_as_declared,
    gradients_are_those_of_finite_differences,
)
