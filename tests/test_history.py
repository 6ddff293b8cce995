"""Attention that knows what it found before: against the papers' equations, and in the models."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from choices import HISTORIC, HISTORIC_NORMALIZERS, choose, goes_with
from model_laws import Case, ModelLaws, T, gradients_reach_every_parameter, sources, targets
from small_model import read, small_rnn, small_transformer
from torch import Tensor

from nmt.attention import additive as blocks_of
from nmt.attention.attention import Attention
from nmt.attention.history import additive_with
from nmt.attention.monotonic import Monotonic
from nmt.errors import UserError
from nmt.models.attention_maps import attention_maps
from nmt.models.rnn import RNN

B, K, S, D, N = 2, 3, 5, 4, 3  # N positions one after the other
LENGTHS = (5, 3)


class Look(NamedTuple):
    """What a position found."""

    weights: Tensor  # (S,)
    context: Tensor  # (D,)


# The weights (S,) of a query, from an attention, the query (D,), the keys (S,D), and earlier looks.
Formula = Callable[[Attention, Tensor, Tensor, list[Look]], Tensor]
KINDS = [("attention", name) for name in HISTORIC]
KINDS += [("normalize", name) for name in HISTORIC_NORMALIZERS]
SETTINGS = {
    "heads": {"heads": 2},
    "shared keys": {"heads": 2, "key_heads": 1},
    "gate": {"gate": "rms"},
    "both": {"heads": 2, "gate": "sigmoid", "window": "local_p", "sink": "zero"},
    "self": {"decoder_self_attention": True},
}


def attention(score: str, normalize: str = "softmax") -> Attention:
    torch.manual_seed(1)
    normalizer = choose("normalize", normalize, fertility=0.5, noise=0.0)
    parts = {"normalize": normalizer, "window": choose("window", "full")}
    made = Attention(D, D, D, score=choose("attention", score, width=6, radius=2), **parts)
    return made.double()


def coverage(score, q: Tensor, keys: Tensor, j: int, looks: list[Tensor]) -> Tensor:
    """Tu et al. 2016, eq. 5, 7 to 9."""
    fertility = 2.0 * (score.u.weight @ keys[j]).sigmoid()
    covered = sum((look[j] / fertility for look in looks), torch.zeros(1))
    return score.v @ torch.tanh(score.W.weight @ q + score.U.weight @ keys[j] + score.V * covered)


def location(score, q: Tensor, keys: Tensor, j: int, looks: list[Tensor]) -> Tensor:
    """Chorowski et al. 2015, eq. 8 and 9."""
    last = looks[-1] if looks else torch.zeros(len(keys)).double()
    f = torch.stack(
        [
            sum(
                filter[0, 2 + far] * last[j + far]
                for far in range(-2, 3)
                if 0 <= j + far < len(keys)
            )
            for filter in score.F
        ]
    )
    inner = score.W.weight @ q + score.U.weight @ keys[j] + score.P(f)
    return score.v @ torch.tanh(inner)


def scores(formula) -> Formula:
    """The softmax of scores by a formula."""

    def weigh(attend: Attention, q: Tensor, keys: Tensor, looks: list[Look]) -> Tensor:
        before = [look.weights for look in looks]
        each = [formula(attend.score, q, keys, j, before) for j in range(len(keys))]
        return torch.stack(each).flatten().softmax(0)

    return weigh


def temperature(attend: Attention, q: Tensor, keys: Tensor, looks: list[Look]) -> Tensor:
    """Lin et al. 2018."""
    normalize = attend.normalize
    c = looks[-1].context if looks else torch.zeros(D).double()
    beta = torch.tanh(normalize.w.flatten() @ c + normalize.u.flatten() @ q)
    return (keys @ q / 2.718**beta).softmax(0)


def constrained(shares: Callable[[Tensor, Tensor, float], Tensor]) -> Formula:
    """Malaviya et al. 2018, with 0.5 as fertility; what makes the sum 1 is found by bisection."""

    def weigh(attend: Attention, q: Tensor, keys: Tensor, looks: list[Look]) -> Tensor:
        left = 0.5 - sum((look.weights for look in looks), torch.zeros(len(keys)).double())
        z = keys @ q + 0.2 * left
        z[-1], left[-1] = keys[-1] @ q, torch.inf
        low, high = -50.0, 50.0
        for _ in range(80):
            middle = (low + high) / 2
            too_much = shares(z, left, middle).sum() > 1
            low, high = (middle, high) if too_much else (low, middle)
        return shares(z, left, low)

    return weigh


def monotonic(attend: Attention, q: Tensor, keys: Tensor, looks: list[Look]) -> Tensor:
    """Raffel et al. 2017: whatever stops at a key came from that key or from one before."""
    p = (keys @ q + attend.normalize.r.item()).sigmoid()
    if not attend.training:
        p = (p >= 0.5).double()
    before = looks[-1].weights if looks else torch.eye(len(keys)).double()[0]
    found = torch.zeros(len(keys)).double()
    for k in range(len(keys)):
        reached = before[k]
        for j in range(k, len(keys)):
            found[j] += reached * p[j]
            reached = reached * (1 - p[j])
    return found


FORMULAS = {
    ("coverage", "softmax"): scores(coverage),
    ("location_sensitive", "softmax"): scores(location),
    ("luong_dot", "temperature"): temperature,
    ("luong_dot", "constrained_softmax"): constrained(lambda z, u, to: (z - to).exp().minimum(u)),
    ("luong_dot", "constrained_sparsemax"): constrained(
        lambda z, u, to: (z - to).relu().minimum(u)
    ),
    ("luong_dot", "monotonic"): monotonic,
}


def test_every_history_has_a_formula_here():
    assert {name for kind in FORMULAS for name in kind} >= {name for _, name in KINDS}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", FORMULAS, ids="-".join)
def test_weights_are_those_of_the_paper_position_after_position(kind, training):
    attend, formula = attention(*kind).train(training), FORMULAS[kind]
    torch.manual_seed(2)
    keys = torch.randn(B, S, D, dtype=torch.float64)
    queries = torch.randn(N, B, K, D, dtype=torch.float64)
    mask = (torch.arange(S) < torch.tensor(LENGTHS)[:, None])[:, None]
    memory = attend.remember(keys, keys)
    past = attend.no_history(mask[:, 0]).double().repeat(1, K, 1)
    looks: dict[tuple[int, int], list[Look]] = {(b, k): [] for b in range(B) for k in range(K)}
    for n in range(N):
        found, past = attend.look_on(queries[n], *memory, mask, torch.full((B, K), n), past)
        for (b, k), before in looks.items():
            seen = keys[b, : LENGTHS[b]]
            weights = formula(attend, queries[n, b, k], seen, before)
            torch.testing.assert_close(found[b, k], weights @ seen)
            before.append(Look(weights, found[b, k]))


def test_blocks_of_pairs_are_the_formula_in_one_piece(monkeypatch):
    """Scores and all five gradients, where a block is smaller than a sentence."""
    monkeypatch.setattr(blocks_of, "CPU_BLOCK", 3 * S * D)
    torch.manual_seed(5)
    shapes = (2, N, 4, D), (2, N, S, D), (2, N, 4, S, 3), (D, 3), (D,)
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    query, keys, features, P, v = given
    plain = (query[..., :, None, :] + keys[..., None, :, :] + features @ P.mT).tanh() @ v
    torch.testing.assert_close(additive_with(*given), plain)
    assert torch.autograd.gradcheck(additive_with, given)


def goes_together(name: str, setting: str) -> bool:
    return goes_with(name, SETTINGS[setting].get("window", "full"))


def build(group: str, name: str, setting: str) -> RNN:
    torch.manual_seed(3)
    usual = {"attention": "bahdanau", "normalize": "softmax"}[group]
    own = {f"decoder.{group}": read(group, usual)} if setting == "self" else {}
    parts = {group: name, **SETTINGS[setting]}
    return small_rnn(own, order="bahdanau", **parts).double().eval()


@pytest.fixture(
    params=[(*kind, one) for kind in KINDS for one in SETTINGS if goes_together(kind[1], one)],
    ids="-".join,
)
def case(request) -> Case:
    return Case(build(*request.param))


class TestHistory(ModelLaws):
    """The laws of models, with heads, gates, windows, sinks and self-attention beside a history."""


def test_gradients_reach_every_parameter(case):
    gradients_reach_every_parameter(case)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_what_was_looked_at_counts_and_is_on_record(kind):
    torch.manual_seed(4)
    model = small_rnn(**dict([kind]), heads=2).eval()
    for part in model.modules():
        if isinstance(part, Monotonic):
            part.r.data.fill_(9.0)  # it stops
    source, target = sources(), targets()
    (found,) = attention_maps(model, source, target)
    assert found.weights.shape == (3, 1, 2, T - 1, 7)
    memory = model.encode(source)
    _, state = model.step(target[:, :1], model.start(memory), memory)
    forgetful = state._replace(past=torch.zeros_like(state.past))
    one, other = (model.step(target[:, 1:2], then, memory)[0] for then in (state, forgetful))
    assert not torch.allclose(one, other)
    assert small_rnn().start(memory).past.shape == (3, 1, 0)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_what_has_no_meaning_is_refused(kind):
    choice = dict([kind])
    with pytest.raises(UserError, match=r"encoder attention .* for the source-target"):
        small_transformer(**choice)
    with pytest.raises(UserError, match=rf"decoder attention .* decoder\.{kind[0]}="):
        small_rnn(**choice, decoder_self_attention=True)
    with pytest.raises(UserError, match=r"model\.hops=2 does not apply"):
        small_rnn(**choice, hops=2)
