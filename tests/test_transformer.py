"""Laws of the Transformer for every part and attention, and torch's own layers as reference."""

from copy import deepcopy
from functools import cache
from itertools import product
from typing import NamedTuple

import pytest
import torch
from choices import HISTORIC, HISTORIC_NORMALIZERS, in_turns, names, pairs
from model_laws import (
    BOS,
    EOS,
    LENGTHS,
    B,
    Case,
    ModelLaws,
    S,
    T,
    bfloat16_is_float32_but_for_rounding,
    gradients_reach_every_parameter,
    sources,
    targets,
)
from small_model import TARGET_VOCABULARY, small_transformer
from torch import Tensor, nn

from nmt.attention.attention import record_attention
from nmt.attention.mask import PAD
from nmt.decoding.candidates import MostProbable
from nmt.decoding.length import Wu
from nmt.decoding.search import Hypothesis, beam_search
from nmt.errors import UserError
from nmt.models.positions import Learned, Rope, Sinusoidal
from nmt.models.seq2seq import Kind
from nmt.models.transformer import Transformer

SCORES = [name for name in names("attention") if name not in ("none", "gaussian", *HISTORIC)]


@cache
def build(**parts) -> Transformer:
    torch.manual_seed(1)
    settings = {"window.radius": 1} if "local" in parts.get("window", "full") else {}
    return small_transformer(settings, **parts).double().eval()


ATTENTIONS = [
    {"attention": score, "normalize": normalize, "window": window}
    for (score, normalize), window in in_turns(
        dict.fromkeys(
            [(score, "softmax") for score in SCORES]
            + [("scaled_dot", one) for one in names("normalize") if one not in HISTORIC_NORMALIZERS]
        ),
        names("window"),
    )
]
PARTS = [
    {"positions": positions, "feed_forward": feed_forward, "residual": residual, "norm": norm}
    for positions, feed_forward, residual, norm in pairs(
        names("positions"), names("feed_forward"), names("residual"), names("norm")
    )
]
SIZES = [{"heads": 1}, {"head_width": 6}, {"hops": 2}, {"scale_embeddings": False}]
SIZES += [{"soft_cap": 0.5}, {"soft_cap": 0.5, "attention": "luong_location", "sink": "logit"}]
SIZES += [
    {"key_heads": 1, "positions": "forgetting", "mix": "differential"},
    {"positions": "forgetting", "normalize": "sigmoid", "sink": "key", "hops": 2},
    {"heads": 6, "key_heads": 2, "positions": "shaw"},
    {"key_heads": 1, "positions": "rope", "sink": "key", "gate": "rms", "attention": "cosine"},
    {"key_heads": 1, "positions": "t5", "window": "local_p", "attention": "luong_concat"},
]
TIED = [
    {"tie_keys_values": True, "attention": "luong_dot"},  # whose prepared keys are the values
    {"tie_keys_values": True, "attention": "bahdanau"},
    {"tie_keys_values": True, "positions": "rope", "heads": 1},
    {"tie_keys_values": True, "heads": 6, "key_heads": 3},
]


@pytest.fixture(
    params=ATTENTIONS + PARTS + SIZES + TIED, ids=lambda parts: "-".join(map(str, parts.values()))
)
def case(request) -> Case:
    return Case(build(**request.param))


# The laws


class TestTransformer(ModelLaws):
    """Of models in general, for every case."""


@pytest.mark.parametrize("parts", [{"attention": score} for score in SCORES] + PARTS + TIED)
def test_gradients_reach_every_parameter(parts):
    gradients_reach_every_parameter(Case(build(**parts)))


@pytest.mark.parametrize("parts", [{"attention": score} for score in SCORES] + PARTS)
def test_bfloat16_is_float32_but_for_rounding(parts):
    bfloat16_is_float32_but_for_rounding(Case(build(**parts)), atol=0.15)


def test_word_order_counts_only_through_positions():
    """With no positions and a full view, the encoder reads a bag of words."""
    for positions, differs in (("none", False), ("sinusoidal", True), ("rope", True)):
        case = Case(build(positions=positions))
        turned = case.source[:1].flip(1)
        one, other = (
            case.model(case.source[:1], case.target[:1]),
            case.model(turned, case.target[:1]),
        )
        assert torch.allclose(one, other) != differs


def test_without_the_causal_mask_the_future_is_seen_in_training():
    case = Case(build(causal_mask=False))
    before = case.model(case.source, case.target)
    case.target[:, 3:] = 4 + (case.target[:, 3:] - 3) % (TARGET_VOCABULARY - 4)
    after = case.model(case.source, case.target)
    assert (after[:, :3] != before[:, :3]).any(-1).all()


def test_without_the_padding_mask_a_sentence_depends_on_its_neighbours():
    case = Case(build(padding_mask=False))
    together = case.model(case.source, case.target)
    for i, length in enumerate(LENGTHS):
        alone = case.model(case.source[i : i + 1, :length], case.target[i : i + 1])
        assert torch.allclose(alone[0], together[i]) == (length == S)


@pytest.mark.parametrize("causal_mask", [True, False])
def test_a_model_that_padding_changes_says_so(causal_mask):
    case = Case(build(causal_mask=causal_mask))
    read = case.model(case.source, case.target)
    source, target = (nn.functional.pad(ids, (0, 2)) for ids in (case.source, case.target))
    further = case.model(source, target)[:, : read.size(1)]
    assert torch.allclose(further, read) == causal_mask != case.model.reads_padding


def test_a_model_wholly_in_bfloat16_forgets_too():
    case = Case(build(positions="forgetting"))
    assert case.model.bfloat16()(case.source, case.target).isfinite().all()


# The decoder's memory and cache


def test_a_state_can_be_continued_in_two_ways():
    model = Case(build()).model
    memory = model.encode(sources())
    _, state = model.step(torch.full((B, 1), BOS), model.start(memory), memory)
    first, _ = model.step(torch.full((B, 1), 5), state, memory)
    model.step(torch.full((B, 1), 6), state, memory)
    again, _ = model.step(torch.full((B, 1), 5), state, memory)
    assert torch.equal(first, again)


class Prefix(NamedTuple):
    """The state of the slow reference: all that was read."""

    read: Tensor  # (B,K,t)


class Source(NamedTuple):
    """Its memory."""

    ids: Tensor  # (B,S)


def search(step, memory, state, **options) -> list[list[Hypothesis]]:
    limits = {"beam": 4, "length_norm": Wu(0.6), "n_best": 3}
    choose = MostProbable(8, PAD, BOS, EOS)
    return beam_search(step, memory, state, **limits, **options, bos=BOS, eos=EOS, choose=choose)


@pytest.mark.parametrize("parts", [{"attention": score} for score in SCORES] + PARTS)
def test_the_cache_finds_what_reading_the_prefix_again_finds(parts):
    model = deepcopy(build(**parts)).float()
    with torch.no_grad():
        model.output.weight.mul_(6)  # decided enough for the rounding of float32
    torch.manual_seed(3)
    source = torch.cat([sources() for _ in range(4)])
    rows: list[tuple[int, ...]] = []

    def reread(tokens: Tensor, state: Prefix, memory: Source) -> tuple[Tensor, Prefix]:
        prefix = torch.cat([state.read, tokens.unsqueeze(2)], 2)  # (B,K,t+1)
        repeated = memory.ids[:, None].expand(-1, prefix.size(1), -1).flatten(0, 1)
        logits = model(repeated, prefix.flatten(0, 1))[:, -1]
        return logits.view(*tokens.shape, -1), Prefix(prefix)

    def cached(tokens, state, memory):
        for keys in memory.keys:
            assert len(keys) == len(tokens), "a memory a sentence, not a hypothesis"
        for keys in state.keys:
            assert keys.size(-2) == state.position.max()
        rows.append(tuple(tokens.shape))
        return model.step(tokens, state, memory)

    with torch.inference_mode():
        memory = model.encode(source)
        limit = (source != PAD).sum(1) + 2  # (B,)
        found = search(cached, memory, model.start(memory), max_length=limit)
        start = Prefix(torch.empty(len(source), 1, 0, dtype=torch.long))
        wanted = search(reread, Source(source), start, max_length=limit)

    assert [[h.ids for h in one] for one in found] == [[h.ids for h in one] for one in wanted]
    assert rows[-1][0] < rows[0][0], "finished sentences leave the batch"


def test_torch_kernel_sees_no_causal_mask_but_is_told(kernel_calls):
    model = build().float()
    model(sources(), targets())
    model.double()
    calls = [
        (tuple(query.shape[-2:]), mask is None, named["is_causal"])
        for (query, _, _, mask, *_), named in kernel_calls
    ]
    encoder, masked, cross = ((S, 4), False, False), ((T, 4), True, True), ((T, 4), False, False)
    assert calls == [encoder] * 2 + [masked, cross] * 3


# References


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_layers_are_those_of_torch(norm_first, activation):
    parts = {"residual": "pre" if norm_first else "post", "feed_forward": activation}
    torch.manual_seed(4)
    model = small_transformer(**parts).eval()
    for parameter in model.parameters():  # biases and norms too
        nn.init.normal_(parameter, std=0.3)
    style = {
        "dim_feedforward": 14,
        "dropout": 0.0,
        "activation": activation,
        "batch_first": True,
        "norm_first": norm_first,
    }
    theirs = nn.ModuleDict(
        {
            "encoder": nn.ModuleList(nn.TransformerEncoderLayer(12, 3, **style) for _ in range(2)),
            "decoder": nn.ModuleList(nn.TransformerDecoderLayer(12, 3, **style) for _ in range(3)),
        }
    ).eval()
    for ours, layer in zip(model.encoder, theirs["encoder"], strict=True):
        copy_attention(ours.self_attention, layer.self_attn)
        copy_rest(ours, layer, [ours.around_attention, ours.around_feed_forward])
    for ours, layer in zip(model.decoder, theirs["decoder"], strict=True):
        copy_attention(ours.self_attention, layer.self_attn)
        copy_attention(ours.cross_attention, layer.multihead_attn)
        copy_rest(ours, layer, [ours.around_self, ours.around_cross, ours.around_feed_forward])

    source, target = sources(), targets()
    padding, future = source == PAD, nn.Transformer.generate_square_subsequent_mask(T)
    x = model.placed(model.source_embedding(source), torch.arange(S))
    for layer in theirs["encoder"]:
        x = layer(x, src_key_padding_mask=padding)
    states = model.encoder_norm(x)
    y = model.placed(model.target_embedding(target), torch.arange(T))
    for layer in theirs["decoder"]:
        y = layer(y, states, tgt_mask=future, memory_key_padding_mask=padding)
    torch.testing.assert_close(
        model.features(source, target), model.decoder_norm(y), atol=2e-5, rtol=1e-5
    )


def copy_attention(ours: nn.Module, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.W_Q.weight, ours.W_K.weight, ours.W_V.weight]))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.W_O.weight)
        theirs.out_proj.bias.zero_()


def copy_rest(ours: nn.Module, theirs: nn.Module, around: list[nn.Module]) -> None:
    theirs.linear1.load_state_dict(ours.feed_forward.W1.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.W2.state_dict())
    for number, residual in enumerate(around, 1):
        getattr(theirs, f"norm{number}").load_state_dict(residual.norm.state_dict())


def test_swiglu_is_its_formula():
    layer = build(feed_forward="swiglu").encoder[0].feed_forward
    x = torch.randn(B, 12, dtype=torch.float64)
    gate = layer.W1(x)
    torch.testing.assert_close(layer(x), layer.W2(gate * torch.sigmoid(gate) * layer.V(x)))


def test_sinusoids_are_those_of_the_paper():
    added = Sinusoidal(7, 1).double().add(torch.zeros(1, 9, 7).double(), torch.arange(9))
    for p, i in product(range(9), range(7)):
        angle = torch.tensor(p / 10_000 ** ((i - i % 2) / 7), dtype=torch.float64)
        wanted = angle.cos() if i % 2 else angle.sin()
        torch.testing.assert_close(added[0, p, i], wanted, atol=1e-6, rtol=0.0)


def test_learned_places_begin_as_small_as_embeddings_and_the_last_stands_for_all_beyond():
    learned = Learned(64, 8, max_positions=1000)
    added = learned.add(torch.zeros(1003, 64), torch.arange(1003))
    assert torch.equal(added[:1000], learned.table.weight)
    assert torch.equal(added[1000:], added[999:1000].expand(3, 64))
    assert 0.9 < added.var() * 64 < 1.1


def test_rotary_scores_depend_on_the_distance_alone():
    rope = Rope(8, 8).double()
    query, key = torch.randn(2, 8, dtype=torch.float64).unbind()

    def score(p: int, q: int) -> Tensor:
        return rope.turn(query, torch.tensor(p)) @ rope.turn(key, torch.tensor(q))

    torch.testing.assert_close(score(3, 1), score(12, 10), atol=1e-5, rtol=0.0)
    assert not torch.isclose(score(3, 1), score(3, 2))
    torch.testing.assert_close(rope.turn(query, torch.tensor(5)).norm(), query.norm())


def test_embeddings_are_scaled_and_tied():
    model = small_transformer(
        tie_output=True, share_embeddings=True, source_vocabulary=TARGET_VOCABULARY
    )
    assert model.output.weight is model.target_embedding.weight is model.source_embedding.weight
    ids = torch.tensor([5])
    torch.testing.assert_close(model.source_embedding(ids)[0], model.output.weight[5] * 12**0.5)


# What can be looked at


def test_every_attention_is_on_record():
    model = build()
    with record_attention(model) as recorded:
        model(sources(), targets())
    assert {kind: len(found) for kind, found in model.attentions().items()} == {
        Kind.SOURCE_TARGET: 3,
        Kind.ENCODER: 2,
        Kind.DECODER: 3,
    }
    assert {name: [tuple(w.shape) for w in found] for name, found in recorded.items()} == {
        **{f"encoder.{i}.self_attention.attention": [(B, 3, S, S)] for i in range(2)},
        **{f"decoder.{i}.self_attention.attention": [(B, 3, T, T)] for i in range(3)},
        **{f"decoder.{i}.cross_attention.attention": [(B, 3, T, S)] for i in range(3)},
    }


def test_self_and_source_target_attention_can_differ():
    settings = {"cross.attention": {"_target_": "nmt.attention.cosine.Cosine", "_partial_": True}}
    model = small_transformer(settings, attention="luong_dot")
    kinds = {
        kind: {type(one.attention.score).__name__ for one in found}
        for kind, found in model.attentions().items()
    }
    assert kinds == {
        Kind.SOURCE_TARGET: {"Cosine"},
        Kind.ENCODER: {"LuongDot"},
        Kind.DECODER: {"LuongDot"},
    }


# Refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attention": "none"}, "attention=none does not apply to a Transformer"),
        ({"heads": 5}, r"model\.heads=5.*12"),
        ({"heads": 0}, r"model\.heads=0"),
        ({"head_width": 0}, r"model\.head_width=0"),
        ({"positions": "rope", "head_width": 5}, "a head has width 5"),
        ({"positions": "rope", "attention": "bahdanau"}, "positions=rope.*Bahdanau"),
        ({"encoder_layers": 0}, r"model\.encoder_layers=0"),
        ({"feed_forward_width": -1}, r"model\.feed_forward_width=-1"),
        ({"word_dropout": 1.0}, r"model\.word_dropout=1"),
        ({"share_embeddings": True}, "23 and 29 pieces"),
    ],
)
def test_choices_without_meaning_are_refused_with_the_reason(changes, reason):
    with pytest.raises(UserError, match=reason):
        small_transformer(**changes)
