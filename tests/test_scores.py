"""Each score against a plain loop over its paper's formula; the additive score against itself."""

import re
import sys
from collections.abc import Callable
from math import exp, inf, sqrt, tanh
from pathlib import Path
from types import ModuleType

import pytest
import torch
from choices import choose, names
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

import nmt.attention
from nmt.attention import additive as additive_module
from nmt.attention.additive import additive, side
from nmt.attention.build import build_attention
from nmt.attention.history import Historic
from nmt.attention.score import Score
from nmt.errors import UserError

B, T, S, D = 2, 3, 5, 7

SCORES = [name for name in names("attention") if name != "none"]
Vector = list[float]


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def matrix(W: list[Vector], x: Vector) -> Vector:
    return [dot(row, x) for row in W]


def drawn(score: Score) -> Score:
    """The score with all its parameters drawn anew, also those that start at 0."""
    for parameter in score.parameters():
        torch.nn.init.normal_(parameter)
    return score


# One formula a score: from its parameters, a query, a key and the key's place to a number.


def bahdanau(p: dict, q: Vector, k: Vector, s: int) -> float:
    b = p.get("b", [0.0] * len(p["v"]))
    hidden = zip(matrix(p["W.weight"], q), matrix(p["U.weight"], k), b, strict=True)
    return dot(p["v"], [tanh(sum(of_one)) for of_one in hidden])


def luong_concat(p: dict, q: Vector, k: Vector, s: int) -> float:
    b = p.get("b", [0.0] * len(p["v"]))
    hidden = zip(matrix(p["W.weight"], q + k), b, strict=True)
    return dot(p["v"], [tanh(sum(of_one)) for of_one in hidden])


def luong_dot(p: dict, q: Vector, k: Vector, s: int) -> float:
    return dot(q, k)


def luong_general(p: dict, q: Vector, k: Vector, s: int) -> float:
    return dot(q, matrix(p["W.weight"], k))


def luong_location(p: dict, q: Vector, k: Vector, s: int) -> float:
    W = p["W.weight"]
    return dot(W[s], q) if s < len(W) else -inf


def scaled_dot(p: dict, q: Vector, k: Vector, s: int) -> float:
    return dot(q, k) / sqrt(D)


def cosine(p: dict, q: Vector, k: Vector, s: int) -> float:
    return p["g"] * dot(q, k) / sqrt(dot(q, q) * dot(k, k))


@pytest.mark.parametrize(
    ("formula", "key_width", "values"),
    [
        (bahdanau, 11, {"width": 13}),
        (bahdanau, 11, {}),
        (bahdanau, 11, {"width": 13, "bias": True}),
        (luong_concat, 11, {"width": 13}),
        (luong_concat, 11, {}),
        (luong_concat, 11, {"width": 13, "bias": True}),
        (luong_dot, D, {}),
        (luong_general, 11, {}),
        (luong_location, 11, {"max_positions": S - 1}),
        (luong_location, 11, {"max_positions": S + 1}),
        (scaled_dot, D, {}),
        (cosine, D, {}),
    ],
)
def test_score_is_its_formula(
    formula: Callable[[dict, Vector, Vector, int], float], key_width: int, values: dict
):
    torch.manual_seed(1)
    score = drawn(choose("attention", formula.__name__, **values)(D, key_width).double())
    query = torch.randn(B, T, D, dtype=torch.float64)
    keys = torch.randn(B, S, key_width, dtype=torch.float64)
    p = {name: parameter.tolist() for name, parameter in score.named_parameters()}
    expected = [
        [[formula(p, q, k, s) for s, k in enumerate(ks)] for q in qs]
        for qs, ks in zip(query.tolist(), keys.tolist(), strict=True)
    ]
    torch.testing.assert_close(
        score(query, score.prepare(keys)), torch.tensor(expected, dtype=torch.float64)
    )


# One key at a time, whichever the score; a yaml that joins configs/attention is a new case.

BY_PLACE = {
    "luong_location": "row s of its W scores place s, whatever key stands there",
    "gaussian": "its bias is a function of the distance between query and key",
    "location_sensitive": "its convolution reads the past weights of the neighbours of a key",
}
READS_NEIGHBOURS = ("location_sensitive",)


def scores_of_all(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The score with its bias for places, in float64, every parameter drawn."""
    torch.manual_seed(4)
    score = drawn(choose("attention", name, bias=True, max_positions=S + 1)(D, D).double())
    by_place = score.bias(1)

    def scores(query: Tensor, keys: Tensor, past: Tensor) -> Tensor:
        told = (past,) if isinstance(score, Historic) else ()
        found = score(query, score.prepare(keys), *told)
        if by_place is None:
            return found
        distance = torch.arange(keys.size(1)) - torch.arange(T)[:, None]
        return found + by_place(query[:, None], distance)

    return scores


def query_keys_past(num_keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys, and what each position found before at each key."""
    query, keys = torch.randn(B, T, D).double(), torch.randn(B, num_keys, D).double()
    return query, keys, torch.rand(B, T, num_keys).double()


@pytest.mark.parametrize("name", SCORES)
def test_permuting_the_keys_permutes_the_scores(name):
    scores = scores_of_all(name)
    query, keys, past = query_keys_past(S)
    order = torch.tensor([2, 0, 4, 1, 3])
    found = scores(query, keys[:, order], past[..., order])
    permuted = torch.allclose(found, scores(query, keys, past)[..., order])
    assert permuted == (name not in BY_PLACE), BY_PLACE.get(name)


@pytest.mark.parametrize("name", SCORES)
def test_one_more_key_changes_no_other_score(name):
    scores = scores_of_all(name)
    query, keys, past = query_keys_past(S + 1)
    fewer = scores(query, keys[:, :S], past[..., :S])
    assert torch.allclose(scores(query, keys, past)[..., :S], fewer) == (
        name not in READS_NEIGHBOURS
    )


@pytest.mark.parametrize("name", [name for name in SCORES if name not in BY_PLACE])
def test_the_score_of_a_key_alone_is_its_score_among_others(name):
    scores = scores_of_all(name)
    query, keys, past = query_keys_past(S)
    each = zip(keys.split(1, dim=1), past.split(1, dim=2), strict=True)
    alone = [scores(query, key, before) for key, before in each]
    torch.testing.assert_close(torch.cat(alone, -1), scores(query, keys, past))


@pytest.mark.parametrize("name", ["sigmoid", "ssmax"])
def test_a_normalizer_may_know_how_many_keys_there_are(name):
    """What one key gets, relative to another, changes with a third; softmax keeps the ratio."""
    scores = torch.tensor([[[1.0, 3.0, 0.5]]])
    for normalizer, kept in ((name, False), ("softmax", True)):
        normalize = choose("normalize", normalizer)()
        two, three = normalize(scores[..., :2])[0, 0], normalize(scores)[0, 0]
        assert torch.isclose(two[0] / two[1], three[0] / three[1]) == kept


def test_scaling_keeps_the_variance_of_a_dot_product_at_one():
    torch.manual_seed(2)
    query, keys = torch.randn(1, 300, 256), torch.randn(1, 400, 256)
    for name, variance in (("luong_dot", 256.0), ("scaled_dot", 1.0)):
        scores = choose("attention", name)(256, 256)(query, keys)
        assert scores.var().item() == pytest.approx(variance, rel=0.1)


# The additive score, in blocks and through exponentials, against its plain twin


@pytest.fixture(params=["exponentials", "sigmoid"])
def form(request, monkeypatch):
    """As a CPU takes it, and as a GPU does."""
    monkeypatch.setattr(
        additive_module, "by_exponentials", lambda _: request.param == "exponentials"
    )


def plain(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    return torch.tanh(query[..., :, None, :] + keys[..., None, :, :]) @ v


def fast(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    return additive(side(query), side(keys), v)


def some(*lead: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(3)
    shapes = ((*lead, T, D), (*lead, S, D), (D,))
    return tuple((2 * torch.randn(s)).to(dtype).requires_grad_() for s in shapes)


@pytest.mark.parametrize("name", ["bahdanau", "luong_concat"])
def test_an_additive_score_begins_undecided(name):
    """|v·tanh(…)| grows with no width: v is even within ±1/√width, as torch begins a layer."""
    v = choose("attention", name, width=4096)(8, 8).v
    assert v.abs().max() <= 1 / 64
    assert v.var().item() == pytest.approx((1 / 64) ** 2 / 3, rel=0.1)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("lead", [(), (11,), (2, 5)])
@pytest.mark.parametrize("block", [1, 2 * S * D, 3 * S * D * T, 1 << 18])
def test_additive_in_blocks_is_additive_at_once(monkeypatch, block, lead):
    monkeypatch.setattr(additive_module, "CPU_BLOCK", block)
    inputs = some(*lead)
    ours, theirs = fast(*inputs), plain(*inputs)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.usefixtures("form")
def test_additive_has_the_gradient_of_finite_differences():
    assert torch.autograd.gradcheck(fast, some(2))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("name", ["bahdanau", "luong_concat"])
def test_a_bias_inside_the_tanh_has_the_gradient_of_finite_differences(name):
    score = drawn(choose("attention", name, bias=True)(D, D).double())
    query, keys, _ = some(2)

    def scores(*_: Tensor) -> Tensor:  # of these very tensors, which are moved in place
        return score(query, score.prepare(keys))

    assert "b" in dict(score.named_parameters())
    assert torch.autograd.gradcheck(scores, (query, keys, *score.parameters()))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("where", [0.0, 3.0, 31.0, 39.0, -45.0, 300.0])
def test_additive_is_exact_where_query_and_key_are_large_and_their_sum_is_not(where):
    query, keys, v = (x.detach().float() for x in some(2))
    query[0] += where  # of the other sentence the sums are large
    keys -= where
    given = [x.requires_grad_() for x in (query, keys, v)]
    exact = [x.detach().double().requires_grad_() for x in given]
    ours, theirs = fast(*given), plain(*exact)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), theirs, atol=2e-5, rtol=0.0)
    for found, expected in zip(
        torch.autograd.grad(1e9 * ours.sum(), given),
        torch.autograd.grad(1e9 * theirs.sum(), exact),
        strict=True,
    ):
        torch.testing.assert_close(found.double(), expected, atol=2e5, rtol=1e-4)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("where", [1000.0, 1e30])
def test_additive_is_calm_where_tanh_is_saturated(where):
    given = [x.detach().float().requires_grad_() for x in some(2)]
    ours = fast(given[0] + where, given[1], given[2])
    torch.testing.assert_close(ours, given[2].sum().expand_as(ours))
    assert all(g.isfinite().all() for g in torch.autograd.grad(ours.sum(), given))


@pytest.mark.usefixtures("form")
def test_additive_computes_in_float32_under_autocast_forward_and_backward():
    exact = some(2, dtype=torch.float32)
    expected = plain(*exact)
    with torch.autocast("cpu", torch.bfloat16):
        ours = fast(*exact)
        gradients = torch.autograd.grad(ours.sum(), exact)
    assert ours.dtype == torch.float32
    for a, b in zip(
        (ours, *gradients), (expected, *torch.autograd.grad(expected.sum(), exact)), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("form")
def test_additive_keeps_no_number_of_a_pair_for_the_backward_pass():
    saved = []

    def keep(x: Tensor) -> Tensor:
        saved.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        fast(*some(11))
    assert saved
    assert max(saved) <= 11 * max(T, S) * D


def test_exponentials_are_float32_at_least_and_always_numbers():
    x = torch.tensor([-31.0, -1.0, 0.5, 31.0], dtype=torch.bfloat16)
    assert side(x).dtype == torch.float32
    assert side(x.double()).dtype == torch.float64
    torch.testing.assert_close(side(x)[1:3], torch.tensor([exp(-2), exp(1)]))
    for large in (33.0, 1e30):
        found = side(torch.tensor([-large, large], dtype=torch.bfloat16))
        assert found.dtype == torch.float64
        assert found.isfinite().all()
        assert (found > 0).all()


# The worked example of docs/adding-a-score.md


def blocks_of_the_guide(language: str) -> list[str]:
    guide = Path(__file__).parent.parent / "docs" / "adding-a-score.md"
    return re.findall(rf"```{language}\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)


def test_the_two_files_of_the_guide_are_one_score(monkeypatch):
    """Both are built from the guide's yaml; with the same numbers they give the same scores."""
    (config,) = blocks_of_the_guide("yaml")
    scores = []
    for code in blocks_of_the_guide("python"):
        module = ModuleType("nmt.attention.biaffine")
        exec(code, module.__dict__)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(nmt.attention, "biaffine", module, raising=False)
        make = instantiate(OmegaConf.create(config))
        usual = {"normalize": choose("normalize", "softmax"), "window": choose("window", "full")}
        scores.append(build_attention(D, 11, 11, make, **usual).score)
    simple, quick = scores
    with torch.no_grad():
        quick.W.weight.copy_(torch.cat([simple.W.weight, simple.u.weight]))
    query, keys = torch.randn(B, T, D), torch.randn(B, S, 11)
    torch.testing.assert_close(
        simple(query, simple.prepare(keys)), quick(query, quick.prepare(keys))
    )


@pytest.mark.parametrize("score", ["bahdanau", "luong_concat"])
@pytest.mark.parametrize("width", [0, 65_537])
def test_a_hidden_layer_has_a_width(score, width):
    with pytest.raises(UserError, match=rf"attention\.width={width}"):
        choose("attention", score, width=width)(6, 6)
