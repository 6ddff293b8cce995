"""Mixes of maps: against the papers' formulas, in both kinds of models, and refusals."""

import math
from itertools import product

import pytest
import torch
from choices import choose, names
from model_laws import Case, ModelLaws, gradients_reach_every_parameter, sources, targets
from small_model import read, small_rnn, small_transformer
from torch import Tensor, nn

from nmt.attention.attention import Attention, record_attention
from nmt.attention.build import build_attention
from nmt.attention.differential import Differential
from nmt.attention.heads import MultiHead
from nmt.attention.mix import Mix
from nmt.attention.normalize import Normalizer
from nmt.attention.place import Place
from nmt.attention.position_bias import LinearBias
from nmt.attention.sink import NoSink
from nmt.errors import UserError
from nmt.laws.small import models
from nmt.models.attention_maps import attention_maps
from nmt.training.guided import Guided
from nmt.training.loss import batch_loss

B, T, S, D, H, K = 2, 3, 5, 8, 2, 4
MIXES = [name for name in names("mix") if name != "none"]
MODELS = {
    "transformer": small_transformer,
    "rope": lambda **parts: small_transformer(positions="rope", heads=3, key_heads=1, **parts),
    "rnn": lambda **parts: small_rnn(heads=5, **parts),
    "history": lambda **parts: small_rnn(heads=5, attention="coverage", gate="sigmoid", **parts),
    "self": lambda **parts: small_rnn(
        heads=5, encoder_self_attention=True, decoder_self_attention=True, sink="logit", **parts
    ),
}


def draw(model: nn.Module) -> None:
    """Every parameter of the mixes at random, as after some training."""
    for part in model.modules():
        if isinstance(part, Mix):
            for parameter in part.parameters():
                nn.init.normal_(parameter, std=0.5)


@pytest.fixture(params=product(MODELS, MIXES), ids="-".join)
def case(request) -> Case:
    kind, mix = request.param
    torch.manual_seed(1)
    model = MODELS[kind](mix=mix).double().eval()
    draw(model)
    return Case(model)


class TestMixes(ModelLaws):
    """The laws of models, with every mix."""


def test_gradients_reach_every_parameter(case):
    gradients_reach_every_parameter(case)


def attention(mix: str, **choices) -> MultiHead:
    """H heads in float64, of layer 3."""
    torch.manual_seed(2)
    parts = {"score": choose("attention", "scaled_dot"), "window": choose("window", "full")}
    parts |= {"normalize": choose("normalize", "softmax"), "mix": choose("mix", mix)}
    attend = build_attention(D, D, D, heads=H, layer=3, **parts | choices).double().eval()
    draw(attend)
    return attend


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Queries (B,T,D), keys (B,S,D) and their mask (B,1,S)."""
    torch.manual_seed(3)
    mask = (torch.arange(S) < torch.tensor([S, 3])[:, None])[:, None]
    return *(torch.randn(B, n, D, dtype=torch.float64) for n in (T, S)), mask


def found(attend: MultiHead) -> tuple[Tensor, Tensor]:
    """The contexts (B,T,D) and the weights (B,H,T,S), which the kernel has to agree with."""
    query, keys, mask = batch()
    memory = attend.remember(keys, keys)
    with record_attention(attend) as recorded:
        contexts = attend(query, *memory, mask, torch.arange(T))
    torch.testing.assert_close(attend(query, *memory, mask, torch.arange(T)), contexts)
    return contexts, recorded["attention"][0]


def test_talking_heads_mix_scores_and_weights():
    """Shazeer et al. 2020: one query and key after the other, then one query after the other."""
    attend = attention("talking_heads")
    contexts, weights = found(attend)
    query, keys, mask = batch()
    mix = attend.attention.mix
    q, k, v = (W.weight.view(H, K, D) for W in (attend.W_Q, attend.W_K, attend.W_V))
    for b, t in product(range(B), range(T)):
        seen = keys[b][mask[b, 0]]
        scores = [[(q[h] @ query[b, t]) @ (k[h] @ key) / K**0.5 for key in seen] for h in range(H)]
        spoken = [
            sum(mix.P_l[g, h] * torch.stack(scores[h]) for h in range(H)).softmax(0)
            for g in range(H)
        ]
        mixed = [sum(mix.P_w[g, h] * spoken[h] for h in range(H)) for g in range(H)]
        heads = [mixed[g] @ (seen @ v[g].mT) for g in range(H)]
        torch.testing.assert_close(contexts[b, t], attend.W_O.weight @ torch.cat(heads))
        torch.testing.assert_close(weights[b, :, t, : len(seen)], torch.stack(mixed))


def test_talking_heads_mix_a_sink_as_a_key():
    """As one more key and value of each head would be."""
    attend = attention("talking_heads", sink=choose("sink", "key")).attention
    nn.init.normal_(attend.sink.value)
    query, keys, values = (torch.randn(B, H, n, K, dtype=torch.float64) for n in (T, S, S))
    position = torch.arange(T)
    beside = attend(query, keys, values, None, position)

    one_more = [attend.sink.key, attend.sink.value]
    keys, values = (
        torch.cat([x, one.expand(B, H, 1, K)], -2)
        for x, one in zip((keys, values), one_more, strict=True)
    )
    attend.sink = NoSink(H, attend.score, K)
    torch.testing.assert_close(beside, attend(query, keys, values, None, position))


@pytest.mark.parametrize(
    "choice", [{"bias": LinearBias}, {"score": choose("attention", "gaussian")}]
)
def test_the_two_maps_of_a_head_share_a_bias_that_is_not_learned(choice):
    built = attention("differential", place=Place.ENCODER, project=True, **choice)
    one, other, *again = built.attention.bias(torch.zeros(1), torch.arange(-4, 5)[None, None])
    assert not one.equal(other), "of two heads"
    assert torch.stack(again).equal(torch.stack([one, other]))


def test_talking_heads_begin_as_heads_that_do_not_talk():
    talking, silent = attention("talking_heads"), attention("none")
    for P in talking.attention.mix.parameters():
        nn.init.eye_(P)
    silent.load_state_dict(talking.state_dict(), strict=False)
    torch.testing.assert_close(found(talking), found(silent))


def test_differential_is_the_difference_of_two_maps():
    """Ye et al. 2024: maps of the halves of query and key, λ, the norm of each head."""
    attend = attention("differential")
    contexts, weights = found(attend)
    query, keys, mask = batch()
    mix = attend.attention.mix
    start = 0.8 - 0.6 * math.exp(-0.3 * (3 - 1))
    share = (mix.q[0] @ mix.k[0]).exp() - (mix.q[1] @ mix.k[1]).exp() + start
    d = K // 2
    q, k = (W.weight.view(2, H, d, D) for W in (attend.W_Q, attend.W_K))  # both maps of all heads
    v = attend.W_V.weight.view(H, K, D)
    for b, t in product(range(B), range(T)):
        seen = keys[b][mask[b, 0]]
        heads = []
        for h in range(H):
            one, other = (
                torch.stack([(q[m, h] @ query[b, t]) @ (k[m, h] @ key) / d**0.5 for key in seen])
                for m in range(2)
            )
            w = one.softmax(0) - share * other.softmax(0)
            torch.testing.assert_close(weights[b, h, t, : len(seen)], w)
            y = w @ (seen @ v[h].mT)
            normed = y / (sum(y**2) / K + 1e-5) ** 0.5 * mix.g
            heads.append((1 - start) * normed)
        torch.testing.assert_close(contexts[b, t], attend.W_O.weight @ torch.cat(heads))


def test_differential_takes_the_kernel_and_knows_its_layer(kernel_calls):
    attend = attention("differential", key_heads=1)
    query, keys, mask = batch()
    attend(query, *attend.remember(keys, keys), mask, torch.arange(T))
    assert [x.shape[1] for x in kernel_calls[0][0][:3]] == [2 * H, 2, 2]
    starts = [
        part.start
        for part in small_transformer(mix="differential").decoder.modules()
        if isinstance(part, Differential)
    ]
    layers = [0.8 - 0.6 * math.exp(-0.3 * (layer - 1)) for layer in (1, 1, 2, 2, 3, 3)]
    assert starts == pytest.approx(layers)


def test_a_head_of_an_rnn_that_has_two_maps_is_projected():
    model = small_rnn(mix="differential", tie_keys_values=True)
    assert isinstance(model.attend, MultiHead)
    assert model.attend.W_V is None
    (inner,) = [part for part in model.modules() if isinstance(part, Attention)]
    assert inner.score.query_width == 5, "half of a head's width"


@pytest.mark.parametrize(
    ("make", "choices", "reason"),
    [
        (
            small_rnn,
            {"mix": "talking_heads", "heads": 1},
            r"needs several heads: .* model\.heads=2 or more",
        ),
        (small_rnn, {"mix": "differential", "heads": 2}, r"a head has width 5: .* even"),
        (small_rnn, {"mix": "differential", "attention": "none"}, r"mix= .* attention=none"),
        (small_transformer, {"mix": "differential", "window": "fixed"}, r"mix= .* window=fixed"),
    ],
)
def test_what_has_no_meaning_is_refused(make, choices, reason):
    with pytest.raises(UserError, match=reason):
        make(**choices)


class Centred(Normalizer):
    """The softmax less its mean: none above 1, some below 0."""

    sums_to_one = False
    negative = True

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        weights = scores.softmax(-1)
        return weights - weights.mean(-1, keepdim=True)


def test_maps_have_shares_of_what_may_be_negative():
    model, source, target = models("normalize", Centred)["in an RNN"](), sources(), targets()
    with record_attention(model) as recorded:
        model.features(source, target[:, :-1])
    (weights,) = next(iter(recorded.values()))
    (found,) = attention_maps(model, source, target)
    shown = found.weights[:, 0, 0]  # (B,T,S)
    torch.testing.assert_close(shown, weights / weights.abs().sum(-1, keepdim=True))
    assert (shown < 0).any()


def test_a_guide_refuses_weights_that_may_be_negative():
    guided = Guided(batch_loss, weight=1.0, layer=None, head=None, shift=True)
    own = {"cross.mix": read("mix", "none")}
    guided.check(small_transformer(own, mix="differential"))
    with pytest.raises(UserError, match=r"guide=.* may be negative: choose cross\.mix=none"):
        guided.check(small_transformer(mix="talking_heads"))
