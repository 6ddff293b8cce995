"""Biases for the distance of query and key: against their formulas, on both roads, and refusals."""

import math

import pytest
import torch
from choices import choose
from model_laws import decode
from small_model import read, small_rnn, small_transformer
from torch import Tensor, nn

from nmt.attention.attention import Attention, distance, record_attention
from nmt.attention.bias import Bias
from nmt.attention.heads import MultiHead
from nmt.errors import UserError

B, H, T, S, K = 2, 3, 4, 9, 5
BIASES = ["alibi", "t5", "shaw", "forgetting"]
SMALL = {"num_buckets": 8, "max_distance": 6}  # settings in which 9 places reach every case


def made(name: str, causal: bool, score: str = "scaled_dot", heads: int = H) -> Bias:
    torch.manual_seed(1)
    make = choose("positions", name, **SMALL)(H * K, K).bias(causal)
    bias = make(heads, choose("attention", score)(K, K)).double()
    for parameter in bias.parameters():
        nn.init.normal_(parameter)
    return bias


def given() -> tuple[Tensor, Tensor]:
    """Queries (B,H,T,K), and how far the keys are from those at places 5 to 8: (1,T,S)."""
    torch.manual_seed(2)
    query = torch.randn(B, H, T, K, dtype=torch.float64)
    return query, distance(torch.zeros(S, 1), torch.arange(5, 5 + T)[None])


def test_alibi_falls_with_the_distance_to_both_sides():
    query, far = given()
    found = made("alibi", causal=False)(query, far).expand(B, H, T, S)
    for h, slope in enumerate([2**-4, 2**-8, 2**-2]):  # of 2 heads, and one of those of 4
        for t in range(T):
            for s in range(S):
                assert found[0, h, t, s] == -slope * abs(s - (t + 5))


def bucket(distance: int, causal: bool, number: int, most: int) -> int:
    """As the code of T5 has it."""
    found, n = 0, -distance
    if causal:
        n = max(n, 0)
    else:
        number //= 2
        found += number if n < 0 else 0
        n = abs(n)
    exact = number // 2
    if n < exact:
        return found + n
    large = exact + int(math.log(n / exact) / math.log(most / exact) * (number - exact))
    return found + min(large, number - 1)


@pytest.mark.parametrize("causal", [False, True])
def test_t5_has_a_number_for_each_bucket(causal):
    query, far = given()
    bias = made("t5", causal)
    found = bias(query, far).expand(B, H, T, S)
    for t in range(T):
        for s in range(S):
            one = bias.table[bucket(s - (t + 5), causal, 8, 6)]
            torch.testing.assert_close(found[:, :, t, s], one.expand(B, H))


@pytest.mark.parametrize("score", ["scaled_dot", "luong_dot", "luong_general", "cosine"])
def test_shaw_adds_a_vector_to_the_key(score):
    """Eq. 4 and 5; all of these scores are f(q)·k, but that cosine's k is k/‖k‖."""
    query, far = given()
    torch.manual_seed(1)
    made_score = choose("attention", score)(K, K).double()
    bias = choose("positions", "shaw", **SMALL)(H * K, K).bias(True)(H, made_score).double()
    found = bias(query, far)
    keys = made_score.prepare(torch.randn(B, H, S, K, dtype=torch.float64))
    whole = made_score(query, keys) + found
    for t in range(T):
        for s in range(S):
            a = bias.a[max(-6, min(6, s - (t + 5))) + 6]
            expected = (made_score.place(query[:, :, t]) * (keys[:, :, s] + a)).sum(-1)
            torch.testing.assert_close(whole[:, :, t, s], expected)


def test_gaussian_is_a_gaussian_around_a_place_beside_the_querys():
    """You et al. 2020: head h looks around i + o_h, and weights of one head sum to 1."""
    torch.manual_seed(4)
    own = {"attention.sigma": 0.8, "cross.attention": read("attention", "scaled_dot")}
    model = small_transformer(own, attention="gaussian", heads=4).eval()
    assert (
        sum(part.W_Q is part.W_K is None for part in model.modules() if hasattr(part, "W_Q")) == 5
    )
    source, target = torch.randint(4, 20, (1, 6)), torch.randint(4, 20, (1, 5))
    with record_attention(model) as recorded:
        model(source, target)
    for name, causal, rows, keys in (
        ("encoder.0.self_attention.attention", False, 6, 6),
        ("decoder.1.self_attention.attention", True, 5, 5),
    ):
        (weights,) = recorded[name]
        for h, offset in enumerate([-1, 0, 1, -1]):
            for i in range(rows):
                seen = i + 1 if causal else keys
                found = [math.exp(-((j - i - offset) ** 2) / (2 * 0.8**2)) for j in range(seen)]
                expected = torch.tensor(found) / sum(found)
                torch.testing.assert_close(weights[0, h, i, :seen], expected)
    torch.testing.assert_close(decode(model, source, target), model(source, target))


@pytest.mark.parametrize("key_heads", [None, 1])
@pytest.mark.parametrize("causal", [False, True])
def test_forgetting_is_the_softmax_of_scores_times_the_gates_between(causal, key_heads):
    """Lin et al. 2025: o_i = Σ_j F_ij exp(q_i·k_j) v_j / Σ_j F_ij exp(q_i·k_j), F_ij = Π f_l."""
    attend = attention("forgetting", causal, key_heads)
    torch.manual_seed(5)
    gates = attend.attention.bias.W_f
    nn.init.normal_(gates.bias)
    x = torch.randn(B, S, H * K, dtype=torch.float64)
    mask = (torch.arange(S) < torch.tensor([S, 4])[:, None])[:, None]
    found = attend.look_within(x, mask, torch.arange(S), causal)
    q, k, v = (W.weight.view(-1, K, H * K) for W in (attend.W_Q, attend.W_K, attend.W_V))
    for b, length in enumerate([S, 4]):
        f = gates(x[b]).sigmoid()  # (S,H)
        for i in range(length):
            heads = []
            for h in range(H):
                g = 0 if key_heads else h
                total = weight = torch.zeros(())
                for j in range(i + 1 if causal else length):
                    between = f[min(i, j) + 1 : max(i, j) + 1, h].prod()
                    w = between * ((q[h] @ x[b, i]) @ (k[g] @ x[b, j]) / K**0.5).exp()
                    total, weight = total + w * (v[g] @ x[b, j]), weight + w
                heads.append(total / weight)
            torch.testing.assert_close(found[b, i], attend.W_O.weight @ torch.cat(heads))


def test_a_cache_keeps_the_gates_beside_the_keys():
    model = small_transformer(positions="forgetting", key_heads=1)
    state = model.start(model.encode(torch.randint(4, 20, (2, 6))))
    assert [part.shape for part in state.keys] == [(2, 1, 1, 0, 4 + 3)] * 3, "K, and H gates"


@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", BIASES)
def test_the_kernel_and_the_plain_road_find_the_same(name, causal, padded, trains, kernel_calls):
    attend = attention(name, causal)
    x = torch.randn(B, S, H * K, dtype=torch.float64)
    mask = (torch.arange(S) < torch.tensor([S, 4])[:, None])[:, None] if padded else None
    with torch.set_grad_enabled(trains):
        found = attend.look_within(x, mask, torch.arange(S), causal)
    assert len(kernel_calls) == (name == "alibi" or not trains)
    with record_attention(attend):
        plain = attend.look_within(x, mask, torch.arange(S), causal)
    torch.testing.assert_close(found, plain)


def attention(name: str, causal: bool, key_heads: int | None = None) -> MultiHead:
    torch.manual_seed(3)
    positions = choose("positions", name, **SMALL)(H * K, K)

    def make(*widths: int) -> Attention:
        parts = {"score": choose("attention", "scaled_dot"), "window": choose("window", "full")}
        bias = positions.bias(causal)
        parts["shared"] = H // (key_heads or H)
        normalize = choose("normalize", "softmax")
        return Attention(*widths, **parts, normalize=normalize, bias=lambda score: bias(H, score))

    return MultiHead(H * K, H * K, H * K, H, make, key_heads=key_heads).double()


def test_what_has_no_meaning_is_refused():
    with pytest.raises(UserError, match="Bahdanau has no inner product with keys: choose luong"):
        small_transformer(positions="shaw", attention="bahdanau")
    with pytest.raises(UserError, match=r"max_distance=16: must be above half of .*=32"):
        small_transformer({"positions.max_distance": 16}, positions="t5")
    with pytest.raises(
        UserError, match=r"Gaussian is itself a position bias, .*: choose positions=none"
    ):
        small_transformer(positions="alibi", attention="gaussian")
    with pytest.raises(UserError, match=r"Gaussian does not read the query, .* cross\.attention="):
        small_transformer(attention="gaussian")
    with pytest.raises(UserError, match=r"attention\.offsets=\[\]"):
        small_rnn({"attention.offsets": []}, attention="gaussian")


def test_source_target_attention_has_no_bias():
    model = small_transformer(positions="alibi")
    found = [name for name, part in model.named_modules() if isinstance(part, Bias)]
    assert len(found) == 5
    assert all("self_attention" in name for name in found)
