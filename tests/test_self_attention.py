"""What self-attention in the RNN leaves behind: its weights on record, its place in the State."""

import pytest
import torch
from model_laws import LENGTHS, B, S, T, decode, sources, targets
from small_model import small_rnn
from test_models import ORDERS, SELF_ATTENTION
from torch import Tensor

from nmt.attention.attention import record_attention
from nmt.attention.recorded import split
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.rnn import RNN
from nmt.models.seq2seq import Kind


def build(order: str, **changes) -> RNN:
    torch.manual_seed(1)
    name, settings = ORDERS[order]
    return small_rnn(settings, order=name, **changes).double().eval()


def maps(model: RNN, source: Tensor, target: Tensor) -> dict[Kind, AttentionMap]:
    with torch.inference_mode():
        return {found.kind: found for found in attention_maps(model, source, target)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("hops", [1, 2])
def test_the_weights_of_all_three_kinds_are_on_record(order, heads, hops):
    model = build(order, heads=heads, hops=hops, **SELF_ATTENTION)

    found = maps(model, sources(), targets())

    assert {kind: tuple(one.weights.shape) for kind, one in found.items()} == {
        Kind.SOURCE_TARGET: (B, hops, heads, T - 1, S),
        Kind.ENCODER: (B, 1, heads, S, S),
        Kind.DECODER: (B, 1, heads, T - 1, T - 1),
    }
    for one in found.values():
        torch.testing.assert_close(one.weights.sum(-1), torch.ones_like(one.weights[..., 0]))
    for weights, length in zip(found[Kind.ENCODER].weights, LENGTHS, strict=True):
        assert (weights[..., :length] > 0).all()
        assert not weights[..., length:].any()
    past = torch.ones(T - 1, T - 1).tril().bool()
    assert torch.equal(found[Kind.DECODER].weights > 0, past.expand(B, 1, heads, -1, -1))


@pytest.mark.parametrize("heads", [1, 2])
def test_a_loop_records_what_one_forward_records(heads):
    """T forwards over 1, 2, … T keys are put together to the one causal attention (T,T)."""
    model = build("luong", heads=heads, **SELF_ATTENTION)
    source, target = sources(), targets()
    with record_attention(model) as at_once, torch.inference_mode():
        model(source, target)
    with record_attention(model) as by_steps, torch.inference_mode():
        decode(model, source, target)
    for name in set(at_once) - {"encoder.self_attend.attention"}:
        assert len(at_once[name]) == 1
        assert len(by_steps[name]) == T
        (one,), (loop,) = split(at_once[name], T), split(by_steps[name], T)  # (B,H,T,T)
        torch.testing.assert_close(loop, one)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_either_side_can_have_it_alone(order, side):
    model = build(order, **{f"{side}_self_attention": True})
    found = maps(model, sources(), targets())
    assert list(found) == [Kind.SOURCE_TARGET, Kind(f"{side} self")]


@pytest.mark.parametrize("order", ORDERS)
def test_a_decoder_without_it_remembers_nothing(order):
    model = build(order)
    source, target = sources(), targets()
    memory = model.encode(source)
    state = model.start(memory)
    _, state = model.step(target[:, :1], state, memory)
    assert state.keys.numel() == state.values.numel() == 0
    assert list(model.attentions()) == [Kind.SOURCE_TARGET]
