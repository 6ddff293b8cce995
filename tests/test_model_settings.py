"""Every setting of a model does something, and dropout is where it is said to be."""

from collections import Counter
from collections.abc import Callable
from types import NoneType
from typing import Any

import pytest
import torch
from model_laws import B, S, T, sources, targets
from omegaconf import OmegaConf
from small_model import read, small_rnn, small_transformer
from torch import Tensor

import nmt.attention.attention
import nmt.attention.dropout
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq

MODELS: dict[str, Callable[..., Seq2Seq]] = {"rnn": small_rnn, "transformer": small_transformer}
# Other values of settings for which adding 1, negating or 0.3 would not do.
OTHERS = {"encoder_width": 6, "decoder_width": 12, "readout_width": None, "width": 15}
OTHERS |= {
    "encoder_layers": 4,
    "decoder_layers": 4,
    "heads": 2,
    "head_width": 6,
    "key_heads": 1,
    "soft_cap": 0.5,
}
# Tested elsewhere: with the embeddings of both sides, with copying, and with gradients.
ELSEWHERE = {"tie_output", "share_embeddings", "copy", "freeze"}
DROPOUTS = {"dropout": 0.1, "word_dropout": 0.2, "attention_dropout": 0.3}
ORDERS = {
    "luong": {"order": "luong"},
    "luong, fed back": {"order": "luong", "settings": {"order.input_feed": True}},
    "bahdanau": {"order": "bahdanau"},
}


def settings(model: str) -> dict[str, Any]:
    """The numbers and switches of a model's yaml."""
    content: Any = OmegaConf.to_container(read("model", model))
    simple = (NoneType, bool, int, float)
    content.pop("_partial_")  # Hydra's own
    return {key: value for key, value in content.items() if isinstance(value, simple)}


def other(key: str, value: Any) -> Any:
    if key in OTHERS:
        return OTHERS[key]
    if isinstance(value, bool):
        return not value
    return 0.3 if isinstance(value, float) else value + 1


def computed(make: Callable[..., Seq2Seq], **changes: Any) -> Tensor:
    """What a model in training says of a batch."""
    torch.manual_seed(1)
    model = make(**changes).train()
    torch.manual_seed(2)
    return model(sources(), targets())


@pytest.mark.parametrize(
    ("model", "attention"),
    [("rnn", "luong_general"), ("rnn", "none"), ("transformer", "scaled_dot")],
)
def test_every_setting_changes_what_is_computed_or_is_refused(model, attention):
    """The one that does nothing is refused where a training begins, see test_config."""
    make = MODELS[model]
    same = {"attention": attention, **dict.fromkeys(DROPOUTS, 0.0)}
    before = computed(make, **same)
    refused, idle = set(), set()
    for key, value in settings(model).items():
        if key in ELSEWHERE:
            continue
        try:
            after = computed(make, **{**same, key: other(key, value)})
        except UserError as error:
            refused.add(key if key in str(error) else str(error))
            continue
        if after.shape == before.shape and torch.equal(after, before):
            idle.add(key)
    needs_weights = {"heads", "hops", "soft_cap", "key_heads", "output_memory"}
    needs_weights |= {"encoder_self_attention", "decoder_self_attention"}
    one_head = {"tie_keys_values", "key_heads"} if model == "rnn" else set()  # nothing is projected
    assert refused == one_head | (needs_weights if attention == "none" else set())
    assert idle == ({"attention_dropout"} if attention == "none" else set())


class Places:
    """Stands in the place of dropout: the `lost`th call drops all, the others nothing."""

    def __init__(self, lost: int | None = None) -> None:
        self.lost = lost
        self.calls: list[tuple[float, torch.Size]] = []

    def __call__(self, x: Tensor, p: float, training: bool) -> Tensor:
        assert training
        self.calls.append((p, x.shape))
        return x * 0 if len(self.calls) - 1 == self.lost else x

    def numbers(self) -> Counter[tuple[float, int]]:
        """How many numbers could be lost, by share and width of what they are part of."""
        found: Counter[tuple[float, int]] = Counter()
        for p, shape in self.calls:
            found[p, shape[-1]] += shape.numel()
        return found


def each_place_counts(model: Seq2Seq, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Where the model drops; all that is lost is missed."""
    source, target = sources(), targets()
    model.train()

    def features(places: Places) -> Tensor:
        for module in (nmt.attention.dropout, nmt.attention.attention):
            monkeypatch.setattr(module, "dropout", places)
        return model.features(source, target)

    places = Places()
    whole = features(places)
    for lost in range(len(places.calls)):
        assert not torch.equal(features(Places(lost)), whole), places.calls[lost]
    return places


@pytest.mark.parametrize("name", ORDERS)
def test_an_rnn_drops_where_it_says(name, monkeypatch):
    """Embeddings, between layers, attention weights, features; as much in a loop as at once."""
    model = small_rnn(**ORDERS[name], **DROPOUTS, attention="bahdanau", decoder_width=12)
    assert each_place_counts(model, monkeypatch).numbers() == {
        (0.2, 1): B * (S + T),
        (0.1, 6): B * (S + T) * 6,
        (0.1, 10): B * S * 10,
        (0.1, 12): B * T * 12,
        (0.1, 7): B * T * 7,
        (0.3, S): B * T * S,
    }


def test_an_rnns_self_attention_drops_too(monkeypatch):
    """Weights of both, and what the encoder's states find in each other."""
    own = {"encoder_self_attention": True, "decoder_self_attention": True}
    model = small_rnn(**own, **DROPOUTS, attention="bahdanau", decoder_width=12)
    found = each_place_counts(model, monkeypatch).numbers()
    assert found[0.3, S] == B * T * S + B * S * S
    assert found[0.3, T] == B * T * T
    assert found[0.1, 10] == 2 * B * S * 10


@pytest.mark.parametrize("residual", ["pre", "post"])
@pytest.mark.parametrize("feed_forward", ["relu", "swiglu"])
def test_a_transformer_drops_where_it_says(residual, feed_forward, monkeypatch):
    """Embeddings, what each sublayer gives, inside the position-wise networks, weights."""
    parts = {"residual": residual, "feed_forward": feed_forward, "attention": "bahdanau"}
    model = small_transformer(**parts, **DROPOUTS, feed_forward_dropout=0.4)
    assert each_place_counts(model, monkeypatch).numbers() == {
        (0.2, 1): B * (S + T),
        (0.1, 12): B * (S + T) * 12 + 2 * 2 * B * S * 12 + 3 * 3 * B * T * 12,
        (0.4, 14): 2 * B * S * 14 + 3 * B * T * 14,
        (0.3, S): 2 * 3 * B * S * S + 3 * 3 * B * T * S,
        (0.3, T): 3 * 3 * B * T * T,
    }
