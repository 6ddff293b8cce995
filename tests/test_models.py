"""Laws that hold for every attention, order, cell and bridge, with and without self-attention.

And references for the parts.
"""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from choices import HISTORIC, HISTORIC_NORMALIZERS, goes_with, names, pairs
from model_laws import (
    Case,
    ModelLaws,
    S,
    T,
    bfloat16_is_float32_but_for_rounding,
    decode,
    gradients_reach_every_parameter,
    sources,
    targets,
)
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.errors import UserError
from nmt.hardware.runtime import computes_bf16
from nmt.models.decoder import RecurrentMemory
from nmt.models.recurrent import Recurrent
from nmt.models.rnn import RNN

ORDERS = {
    "luong": ("luong", {}),
    "luong-feed": ("luong", {"order.input_feed": True}),
    "bahdanau": ("bahdanau", {}),
}
SELF_ATTENTION = {"encoder_self_attention": True, "decoder_self_attention": True}
TIED = {"tie_keys_values": True}
CHOICES = pairs(
    *(names("attention"), ORDERS, names("cell"), names("bridge"), ("", "self")),
    valid=lambda attention, order, cell, bridge, of_itself: (
        not of_itself or attention not in ("none", *HISTORIC)
    ),
)
CHANGES = {
    "1": {},
    "heads": {"heads": 2},
    "hops": {"hops": 2},
    "self": SELF_ATTENTION,
    "outputs": {"output_memory": True},
    "tied": TIED | SELF_ATTENTION | {"heads": 2},
}
LOOKS_AGAIN = ("hops", "self", "tied")  # for what has no history


@cache
def build(attention, order, cell, bridge, of_itself) -> RNN:
    torch.manual_seed(1)
    name, settings = ORDERS[order]
    parts = {"order": name, "attention": attention, "cell": cell, "bridge": bridge}
    if of_itself:
        parts |= {**SELF_ATTENTION, "heads": 2}
    return small_rnn(settings, **parts).double().eval()


@pytest.fixture(params=CHOICES, ids=lambda choice: "-".join(filter(None, choice)))
def case(request) -> Case:
    return Case(build(*request.param))


# The laws


class TestRNN(ModelLaws):
    """Of models in general, for every case."""


@pytest.mark.parametrize(
    ("order", "normalize", "window", "changes"),
    pairs(
        *(ORDERS, names("normalize"), names("window"), CHANGES),
        valid=lambda _, normalize, window, changes: (
            goes_with(normalize, window)
            and (window != "fixed" or "heads" in CHANGES[changes])
            and (changes not in LOOKS_AGAIN or normalize not in HISTORIC_NORMALIZERS)
        ),
    ),
)
def test_steps_are_the_whole_target_whatever_the_attention_is_made_of(
    order, normalize, window, changes
):
    torch.manual_seed(1)
    name, settings = ORDERS[order]
    if window.startswith("local"):
        settings = {**settings, "window.radius": 1}
    parts = {"order": name, "normalize": normalize, "window": window}
    model = small_rnn(settings, **parts, **CHANGES[changes]).double().eval()
    source, target = sources(), targets()
    torch.testing.assert_close(decode(model, source, target), model(source, target))


def test_every_source_piece_counts(case):
    source = case.source[:1].repeat(S, 1)  # row s has another piece at s; the last is as it was
    changed = source.diagonal()[: S - 1]
    changed.copy_(4 + (changed - 3) % (SOURCE_VOCABULARY - 4))
    logits = case.model(source, case.target[:1].expand(S, T))
    differs = (logits[:-1] - logits[-1]).abs().amax((1, 2))
    assert (differs > 1e-9).all()


def test_gradients_reach_every_parameter(case):
    gradients_reach_every_parameter(case)


@pytest.mark.skipif(not computes_bf16(torch.device("cpu")), reason="does not support bf16")
def test_bfloat16_is_float32_but_for_rounding(case):
    bfloat16_is_float32_but_for_rounding(case, atol=0.1)


# The parts of the model against a plain loop over the papers' equations


def lstm(cell: Recurrent, x: Tensor, feed: Tensor | None, h: Tensor, c: Tensor):
    """One step as in the literature, of one sentence; gates in the order of torch: i f g o."""
    W, U, b, d = cell.weights
    gates = W @ x + b + U @ h + d
    if feed is not None:
        assert cell.feed is not None
        gates = gates + cell.feed.weight @ feed
    i, f, g, o = gates.chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def general(model: RNN, s: Tensor, states: Tensor) -> Tensor:
    """Σ softmax(s·W h) h over the annotations (S,De) of one sentence."""
    weights = (states @ model.attend.score.W.weight.mT @ s).softmax(0)  # (S,)
    return weights @ states


def plain(settings, **changes) -> tuple[RNN, Tensor, Tensor, RecurrentMemory]:
    """A model of one layer, and one pair of sentences: source, target, memory."""
    torch.manual_seed(1)
    model = small_rnn(settings, encoder_layers=1, decoder_layers=1, **changes).double().eval()
    source, target = sources()[:1], targets()[:1]
    memory = model.encode(source)
    return model, source, target, memory


@pytest.mark.parametrize("feed", [False, True])
def test_luong_is_equation_5(feed):
    """h~_t = tanh(W_c [c_t; s_t]), fed back where wanted (Luong et al. 2015, section 3.3)."""
    model, source, target, memory = plain({"order.input_feed": feed})
    decoder = model.decoder
    h, c = memory.start[0, 0].chunk(2)
    vector = torch.zeros(7).double()
    vectors = []
    for x in model.target_embedding(target[0]):
        h, c = lstm(decoder.cells[0], x, vector if feed else None, h, c)
        context = general(model, h, memory.values[0])
        vector = torch.tanh(decoder.combine.weight @ torch.cat([context, h]))
        vectors.append(vector)
    expected = torch.stack(vectors)
    torch.testing.assert_close(model.features(source, target)[0], expected)


def test_bahdanau_is_its_recurrence():
    """c_t from s(t-1), s_t = f(s(t-1), y(t-1), c_t) (Bahdanau et al. 2015, section 3.1)."""
    model, source, target, memory = plain({}, order="bahdanau")
    decoder = model.decoder
    h, c = memory.start[0, 0].chunk(2)
    features = []
    for x in model.target_embedding(target[0]):
        context = general(model, h, memory.values[0])
        h, c = lstm(decoder.cells[0], x, context, h, c)
        features.append(torch.tanh(decoder.combine(torch.cat([h, context, x]))))
    expected = torch.stack(features)
    torch.testing.assert_close(model.features(source, target)[0], expected)


def among(attend, query: Tensor, states: Sequence[Tensor]) -> Tensor:
    """W_O Σ softmax(W_Q q · W W_K s) W_V s: one head over states of the query's own sentence."""
    W = attend.attention.score.W
    weights = torch.stack([attend.W_Q(query) @ W(attend.W_K(s)) for s in states]).softmax(0)
    return attend.W_O(sum(w * attend.W_V(s) for w, s in zip(weights, states, strict=True)))


@pytest.mark.parametrize("feed", [False, True])
def test_luongs_decoder_looks_back_from_its_new_state(feed):
    """h~_t = tanh(W_c [c_t; c'_t; s_t]), c'_t from s_t over s_1 … s_t."""
    model, source, target, memory = plain({"order.input_feed": feed}, decoder_self_attention=True)
    decoder = model.decoder
    h, c = memory.start[0, 0].chunk(2)
    vector = torch.zeros(7).double()
    states, vectors = [], []
    for x in model.target_embedding(target[0]):
        h, c = lstm(decoder.cells[0], x, vector if feed else None, h, c)
        states.append(h)
        context, own = general(model, h, memory.values[0]), among(decoder.self_attend, h, states)
        vector = torch.tanh(decoder.combine.weight @ torch.cat([context, own, h]))
        vectors.append(vector)
    torch.testing.assert_close(model.features(source, target)[0], torch.stack(vectors))


def test_bahdanaus_decoder_looks_back_before_it_steps():
    """c_t and c'_t from s(t-1), c'_t over s_0 … s(t-1); s_t = f(s(t-1), y(t-1), [c_t; c'_t])."""
    model, source, target, memory = plain({}, order="bahdanau", decoder_self_attention=True)
    decoder = model.decoder
    h, c = memory.start[0, 0].chunk(2)
    states, features = [h], []
    for x in model.target_embedding(target[0]):
        context, own = general(model, h, memory.values[0]), among(decoder.self_attend, h, states)
        both = torch.cat([context, own])
        h, c = lstm(decoder.cells[0], x, both, h, c)
        states.append(h)
        features.append(torch.tanh(decoder.combine(torch.cat([h, both, x]))))
    torch.testing.assert_close(model.features(source, target)[0], torch.stack(features))


def test_the_encoders_states_are_added_to_what_they_find_in_each_other():
    model, source, _, memory = plain({}, encoder_self_attention=True)
    x = model.source_embedding(source)
    (states,) = model.encoder.layers[0](x, (source != PAD).sum(1)).states
    expected = [h + among(model.encoder.self_attend, h, list(states)) for h in states]
    torch.testing.assert_close(memory.values[0], torch.stack(expected))


def test_the_memory_may_be_the_encoders_outputs():
    model = small_rnn(output_memory=True).eval()
    source = sources()
    mask = source != PAD
    states, last = model.encoder(model.source_embedding(source), mask)
    assert model.to_outputs is not None

    memory = model.encode(source)

    torch.testing.assert_close(memory.values, torch.tanh(model.to_outputs(states)))
    torch.testing.assert_close(
        memory.start, model.bridge(states, last, mask).view(memory.start.shape)
    )


# Embeddings


def test_a_tied_output_is_the_target_embeddings():
    model = small_rnn(tie_output=True, readout_width=None)
    assert model.output.weight is model.target_embedding.weight
    assert model.output.in_features == 6
    assert model.source_embedding.weight is not model.target_embedding.weight
    free = small_rnn(tie_output=False, readout_width=None)
    assert free.output.weight is not free.target_embedding.weight
    assert free.output.in_features == 10  # decoder_width


def test_shared_embeddings_are_one_matrix():
    model = small_rnn(share_embeddings=True, source_vocabulary=TARGET_VOCABULARY)
    assert model.source_embedding is model.target_embedding
    all_three = small_rnn(
        share_embeddings=True,
        tie_output=True,
        readout_width=None,
        source_vocabulary=TARGET_VOCABULARY,
    )
    names_of_it = [n for n, p in all_three.named_parameters() if p.shape == (TARGET_VOCABULARY, 6)]
    assert len(names_of_it) == 1


def test_padding_has_no_embedding():
    model = small_rnn()
    assert not model.source_embedding.weight[PAD].any()
    model(sources(), targets()).sum().backward()
    assert not model.source_embedding.weight.grad[PAD].any()


# Refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"tie_output": True},
            r"readout_width=7 is not model\.embedding_width=6.*null.*tie_output=false",
        ),
        (
            {"share_embeddings": True},
            r"they have 23 and 29 pieces.*joint=true.*share_embeddings=false",
        ),
        ({"attention": "luong_dot", "decoder_width": 9}, "width 9 and the key 10"),
        ({"attention": "none", "output_memory": True}, r"output_memory=true .*attention=none"),
        ({"attention": "none", "hops": 2}, r"model\.hops=2 does not apply to attention=none"),
        (TIED, r"tie_keys_values=true does not apply to model\.heads=1.*K = V.*heads=2"),
        (TIED | {"attention": "none"}, r"tie_keys_values=true.*attention=none"),
        (
            TIED | {"attention": "luong_location", "heads": 2},
            r"tie_keys_values=true.*LuongLocation",
        ),
        ({"heads": 3}, r"model\.heads=3.*10"),
        *(
            (
                {"attention": "none", key: True},
                rf"attention=none.*RNN's self-attention.*{key}=false",
            )
            for key in SELF_ATTENTION
        ),
        ({"heads": 4, "decoder_width": 12, **SELF_ATTENTION}, r"model\.heads=4.*10"),
        ({"encoder_layers": 0}, r"model\.encoder_layers=0"),
        ({"decoder_layers": 0}, r"model\.decoder_layers=0"),
        ({"decoder_width": -4}, r"model\.decoder_width=-4"),
        ({"dropout": 1.5}, r"model\.dropout=1\.5"),
        ({"attention_dropout": -0.1}, r"model\.attention_dropout=-0\.1"),
    ],
)
def test_choices_without_meaning_are_refused_with_the_reason(changes, reason):
    with pytest.raises(UserError, match=reason):
        small_rnn(**changes)
