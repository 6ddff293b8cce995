"""The laws of whatever attends. Each takes a Case of its own, which it may change.

It returns the largest difference that it saw between what should be the same, None where there is
nothing to compare; Broken where it does not hold.
"""

import torch
from torch import Tensor

from nmt.attention.attention import Attention, record_attention
from nmt.attention.mask import causal_mask
from nmt.attention.sink import NoSink
from nmt.hardware.products import fused_from
from nmt.laws.case import QUERY, VALUE, B, Case, S, T
from nmt.laws.law import require, same


def weights_are_as_declared(case: Case) -> None:
    """0 on padding, not negative, sums of at most 1: as far as normalizer and mix say so."""
    attention, alone = case.inner, isinstance(case.inner.sink, NoSink)
    weights = case.weights()
    require(bool(weights), "no weights were recorded")
    for one in weights:
        require(one.dtype == torch.float64, f"weights are {one.dtype} where all else is float64")
        hidden = (~case.mask if one.dim() == 3 else ~case.mask[:, None]).expand_as(one)
        total = one.sum(-1)
        require((one[hidden] == 0).all(), f"padding has weight, {one[hidden].abs().max():.1e}")
        require(attention.negative or (one >= 0).all(), f"a weight is {one.min():.1e}")
        if attention.sums_to_one:
            require((total <= 1 + 1e-6).all(), f"weights sum to {total.max():.6f}")
            require((total > 0).all() or not alone, "all weights of a query are 0")


def contexts_are_weighted_sums_of_values(case: Case) -> float | None:
    """Of one head that looks once, without a value of its own."""
    if not isinstance(case.attend, Attention) or case.inner.sink.value is not None:
        return None
    return same(case(), case.weights()[0] @ case.values)


def fused_and_plain_agree(case: Case) -> float:
    """The fused kernel, which has no weights to record, and the plain formula are the same."""
    with fused_from(0):
        fast = case()
    with record_attention(case.attend):
        plain = case()
    require(fast.shape == (B, T, case.attend.width), f"contexts are {tuple(fast.shape)}")
    return same(fast, plain)


def padding_changes_nothing(case: Case) -> float:
    """Padding is invisible, whatever stands there."""
    case.keys[~case.mask[:, 0]] *= 100
    together = case()
    differences: list[float] = []
    for row, length in enumerate(case.lengths):
        one = slice(row, row + 1)
        memory = case.attend.remember(case.keys[one, :length], case.values[one, :length])
        mask = torch.ones(1, 1, length, dtype=torch.bool)
        alone = case.attend(case.query[one], *memory, mask, case.position)
        differences.append(same(alone, together[one]))
    return max(differences)


def queries_one_by_one_equal_all_at_once(case: Case) -> float:
    """So decoding step by step computes what training computed."""
    at_once = case()
    memory = case.attend.remember(case.keys, case.values)
    return max(
        same(
            case.attend(case.query[:, t : t + 1], *memory, case.mask, torch.tensor(t)),
            at_once[:, t : t + 1],
        )
        for t in range(T)
    )


def keys_one_by_one_equal_all_at_once(case: Case) -> float:
    """A cache grows by what is remembered of each new piece."""
    at_once = case.attend.remember(case.keys, case.values)
    steps = [
        case.attend.remember(case.keys[:, s : s + 1], case.values[:, s : s + 1], torch.tensor([s]))
        for s in range(S)
    ]
    grown = (torch.cat(part, -2) for part in zip(*steps, strict=True))
    return max(same(one, whole) for one, whole in zip(grown, at_once, strict=True))


def memory_can_be_reordered(case: Case) -> float:
    """A search keeps some sentences and hypotheses, in another order."""
    keys, values = case.attend.remember(case.keys, case.values)
    kept = torch.tensor([2, 0])
    some = case.attend(case.query[kept], keys[kept], values[kept], case.mask[kept], case.position)
    return same(some, case()[kept])


def the_future_is_invisible(case: Case) -> float:
    """Under a causal mask, whatever stands there."""
    attend = case.make(QUERY, QUERY, VALUE).double().eval()
    x = torch.randn(B, S, QUERY, dtype=torch.float64)
    values = torch.randn(B, S, VALUE, dtype=torch.float64)

    def contexts() -> Tensor:
        return attend(x, *attend.remember(x, values), causal_mask(S), torch.arange(S))

    before = contexts()
    x[:, 4:], values[:, 4:] = 99.0, -99.0
    return same(contexts()[:, :4], before[:, :4])


def gradients_reach_every_parameter(case: Case) -> None:
    """And the inputs, but for padding."""
    case.attend.train()
    for x in (case.query, case.keys, case.values):
        x.requires_grad_()
    out = case()
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in case.attend.named_parameters():
        history = case.attend.has_history  # which is 0 before the first position
        there = parameter.grad is not None and (history or parameter.grad.any())
        require(there, f"no gradient reaches {name}")
        assert parameter.grad is not None
        require(parameter.grad.isfinite().all(), f"the gradient of {name} is not finite")
    hidden = ~case.mask[:, 0]
    for name, x in {"query": case.query, "keys": case.keys, "values": case.values}.items():
        if x.grad is None:
            score = case.inner.score
            unread = {"keys": not score.reads_keys, "query": not score.reads_query}
            require(unread.get(name, False), f"no gradient reaches the {name}")
            continue
        require(x.grad.isfinite().all(), f"the gradient of the {name} is not finite")
        require(name == "query" or not x.grad[hidden].any(), f"{name} of padding get a gradient")
    assert case.values.grad is not None
    require(case.values.grad.any(), "no gradient reaches the values")


def autocast_has_weights_in_float32(case: Case) -> None:
    """bfloat16 is for products: a normalizer gets float32."""
    case.attend.float().train()
    case.query, case.values = case.query.float(), case.values.float().requires_grad_()
    case.keys = case.keys.float()
    with torch.autocast("cpu", torch.bfloat16):
        out = case()
        weights = case.weights()
        out.float().sum().backward()
    require(out.isfinite().all(), "contexts are not finite")
    require(all(w.dtype == torch.float32 for w in weights), f"weights are {weights[0].dtype}")
    gradients = [x.grad for x in (case.values, *case.attend.parameters()) if x.grad is not None]
    require(all(one.isfinite().all() for one in gradients), "gradients are not finite")


def bfloat16_gives_bfloat16(case: Case) -> None:
    """Where the whole model is of it."""
    case.attend.bfloat16()
    case.query, case.keys, case.values = (
        x.bfloat16() for x in (case.query, case.keys, case.values)
    )
    out = case()
    require(out.dtype == torch.bfloat16, f"contexts are {out.dtype}")
    require(out.isfinite().all(), "contexts are not finite")


LAWS = (
    weights_are_as_declared,
    contexts_are_weighted_sums_of_values,
    fused_and_plain_agree,
    padding_changes_nothing,
    queries_one_by_one_equal_all_at_once,
    keys_one_by_one_equal_all_at_once,
    memory_can_be_reordered,
    the_future_is_invisible,
    gradients_reach_every_parameter,
    autocast_has_weights_in_float32,
    bfloat16_gives_bfloat16,
)
