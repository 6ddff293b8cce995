"""Norms and gradients against what their formulas say, one key at a time."""

import pytest
import torch
from small_model import small_rnn, small_transformer

from nmt.attention.heads import MultiHead
from nmt.data.tokenizer import BOS, EOS
from nmt.laws.model import SOURCE_VOCABULARY
from nmt.models.attention_maps import attention_maps
from nmt.models.contributions import MEASURES, gradient_maps, norm_maps
from nmt.models.seq2seq import Kind

MODELS = {
    "transformer": lambda: small_transformer(),
    "rnn": lambda: small_rnn(),
    "rnn, heads, hops, attends first": lambda: small_rnn(
        order="bahdanau", heads=2, hops=2, decoder_self_attention=True
    ),
    "heads that share values": lambda: small_transformer(heads=4, key_heads=2),
    "copies": lambda: small_transformer(copy=True, target_vocabulary=SOURCE_VOCABULARY),
    "differences of maps": lambda: small_transformer(mix="differential", heads=2),
    "weights of any size": lambda: small_transformer(normalize="relu"),
}
SOURCE = torch.tensor([[5, 6, 7, 8, EOS], [9, 4, EOS, 0, 0]])
TARGET = torch.tensor([[BOS, 5, 6, EOS], [BOS, 7, EOS, 0]])


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]().eval()


def test_a_norm_is_the_length_of_what_a_key_adds_to_the_output_of_a_head():
    """Of the last layer: the output without the key, and all other weights as they were."""
    model = small_transformer().eval()
    attend = model.attentions()[Kind.SOURCE_TARGET][-1]
    assert isinstance(attend, MultiHead)
    given = []
    hook = attend.attention.register_forward_hook(lambda _, args, __: given.append(args[2]))
    with torch.no_grad():
        weights, norms = (
            maps(model, SOURCE, TARGET)[0].weights[:, -1] for maps in (attention_maps, norm_maps)
        )
    hook.remove()
    values = given[0]  # (B,H,S,K)
    for b, t, h, s in ((0, 0, 0, 0), (0, 2, 1, 4), (1, 1, 2, 1)):
        found = torch.zeros(attend.heads, values.size(-1))
        found[h] = weights[b, h, t, s] * values[b, h, s]
        added = attend.W_O(found.flatten())
        torch.testing.assert_close(norms[b, h, t, s], added.norm())


def test_norms_have_the_shapes_of_weights_and_are_0_where_these_are(model):
    with torch.no_grad():
        pairs = zip(
            attention_maps(model, SOURCE, TARGET), norm_maps(model, SOURCE, TARGET), strict=True
        )
    for weights, norms in pairs:
        assert (norms.kind, norms.rows) == (weights.kind, weights.rows)
        assert norms.weights.shape == weights.weights.shape
        assert (norms.weights >= 0).all()
        assert norms.weights[weights.weights == 0].eq(0).all()
        assert norms.weights.max() > 0


def test_without_projections_a_norm_is_that_of_the_weighted_state():
    model = small_rnn().eval()
    with torch.no_grad():
        states = model.encode(SOURCE).values.float()  # (B,S,D)
        (weights,), (norms,) = (maps(model, SOURCE, TARGET) for maps in (attention_maps, norm_maps))
    wanted = weights.weights * states.norm(dim=-1)[:, None, None, None]
    torch.testing.assert_close(norms.weights, wanted)


def test_gradients_are_those_of_each_log_probability_at_each_source_piece(model):
    with torch.inference_mode():
        (found,) = gradient_maps(model, SOURCE, TARGET)

    assert (found.kind, found.weights.shape) == (Kind.SOURCE_TARGET, (2, 1, 1, 3, 5))
    embedding = model.source_embedding
    for b, t in ((0, 0), (0, 2), (1, 1)):
        scale = torch.ones(5, requires_grad=True)  # d ln P / d scale of x_s = x_s · d ln P / d x_s
        hook = embedding.register_forward_hook(
            lambda _, __, x, scale=scale: x * scale[None, :, None] if x.size(1) == 5 else x
        )
        logits = model(SOURCE[b : b + 1], TARGET[b : b + 1, :-1])
        hook.remove()
        log_p = logits[0, t].log_softmax(-1)[TARGET[b, t + 1]]
        (wanted,) = torch.autograd.grad(log_p, scale)
        torch.testing.assert_close(found.weights[b, 0, 0, t], wanted.abs(), rtol=1e-2, atol=1e-4)
        assert wanted.abs().max() > 1e-3
    assert all(one.grad is None for one in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_what_a_sentence_has_does_not_depend_on_its_batch(model):
    for measure in MEASURES.values():
        with torch.no_grad():
            together = measure.maps(model, SOURCE, TARGET)
            alone = measure.maps(model, SOURCE[1:, :3], TARGET[1:, :3])
        for one, other in zip(together, alone, strict=True):
            queries, keys = other.weights.shape[-2:]
            cut = one.weights[1:, ..., :queries, :keys]
            torch.testing.assert_close(cut, other.weights, rtol=1e-3, atol=1e-5)
