"""Each choice can be that of one place or one layer, and is there and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from command import mistake, nmt
from model_laws import decode, sources, targets
from omegaconf import OmegaConf
from small_model import read, small_rnn, small_transformer
from torch import Tensor

from nmt.attention.bias import Bias
from nmt.attention.hops import Hops
from nmt.attention.place import Place
from nmt.attention.position_bias import MakeBias
from nmt.attention.score import Score
from nmt.commands.changes import with_values
from nmt.comparison.runs import read_settings
from nmt.comparison.variants import Naming
from nmt.config.settings import settings
from nmt.errors import UserError
from nmt.models.attention_maps import inside
from nmt.models.positions import Positions
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.run import open_run
from nmt.runs.folder import read_config

KINDS = {Kind.ENCODER: Place.ENCODER, Kind.DECODER: Place.DECODER, Kind.SOURCE_TARGET: Place.CROSS}
SELF_ATTENTION = {"encoder_self_attention": True, "decoder_self_attention": True}
# A choice of each part that the tests' models do not have, and the name of its class.
PARTS = {
    "attention": ("bahdanau", "Bahdanau"),
    "normalize": ("sparsemax", "Sparsemax"),
    "window": ("local_m", "LocalM"),
    "sink": ("key", "KeySink"),
    "gate": ("sigmoid", "SigmoidGate"),
    "mix": ("talking_heads", "TalkingHeads"),
}
Where = tuple[Place, int]


def built(name: str, own: Mapping[str, Any]) -> Seq2Seq:
    """An RNN, whose places have one layer, or a Transformer, in which they have 2, 3 and 3."""
    torch.manual_seed(1)
    if name == "rnn":
        return small_rnn(own, **SELF_ATTENTION, heads=2).double().eval()
    return small_transformer(own).double().eval()


def yaml(group: str, name: str) -> Any:
    return OmegaConf.to_container(read(group, name))


def parts(model: Seq2Seq, group: str) -> dict[Where, str]:
    """The class of a part of every attention."""
    name = "score" if group == "attention" else group
    return {
        (KINDS[kind], layer): type(getattr(one, name)).__name__
        for kind, attends in model.attentions().items()
        for layer, attend in enumerate(attends, 1)
        for one in attend.modules()
        if hasattr(one, name)
    }


def steps_are_the_whole_target(model: Seq2Seq) -> None:
    source, target = sources(), targets()
    at_once = model(source, target)
    torch.testing.assert_close(decode(model, source, target), at_once)
    at_once.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("group", PARTS)
@pytest.mark.parametrize(
    ("model", "where"),
    [
        *(("rnn", place) for place in Place),
        *(("transformer", place) for place in Place),
        ("transformer", "encoder.2"),
        ("transformer", "decoder.1"),
        ("transformer", "cross.3"),
    ],
)
def test_a_choice_is_where_it_was_made_and_nowhere_else(model, where, group):
    name, kind = PARTS[group]
    usual = parts(built(model, {}), group)
    changed = built(model, {f"{where}.{group}": yaml(group, name)})
    expected = {
        (place, layer): kind if where in (place, f"{place}.{layer}") else usual[place, layer]
        for place, layer in usual
    }
    assert parts(changed, group) == expected
    assert kind not in usual.values()
    steps_are_the_whole_target(changed)


def test_a_layer_goes_before_its_place_and_this_before_the_model():
    model = built(
        "transformer",
        {
            "window": yaml("window", "local_m"),
            "decoder.window": yaml("window", "local_p"),
            "decoder.2.window": yaml("window", "full"),
            "decoder.3.window": None,
        },
    )
    assert list(parts(model, "window").items()) == [
        *(((Place.CROSS, layer), "LocalM") for layer in (1, 2, 3)),
        *(((Place.ENCODER, layer), "LocalM") for layer in (1, 2)),
        *(((Place.DECODER, layer), "LocalP" if layer != 2 else "Full") for layer in (1, 2, 3)),
    ]
    steps_are_the_whole_target(model)


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_places_differ_in_heads_and_hops(name):
    model = built(name, {"encoder.heads": 1, "decoder.hops": 3, "cross.tie_keys_values": True})
    found = model.attentions()
    heads = {"rnn": 2, "transformer": 3}[name]
    (encoder, *_), (decoder, *_), (cross, *_) = (found[kind] for kind in KINDS)
    assert isinstance(decoder, Hops)
    assert (encoder.heads, decoder.attend.heads, cross.heads) == (1, heads, heads)
    assert (decoder.hops, cross.W_V) == (3, None)
    assert encoder.W_V is not None
    steps_are_the_whole_target(model)


class Told(Score):
    """A score that knows where it is."""

    def __init__(self, query_width: int, key_width: int, place: Place, layer: int) -> None:
        super().__init__(query_width, key_width)
        self.where = place, layer

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.where[1] * query @ keys.transpose(-2, -1)


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_a_part_that_asks_is_told_where_it_is(name):
    own = {"_target_": f"{__name__}.Told", "_partial_": True}
    model = built(name, {f"{place}.attention": own for place in Place})
    for kind, attends in model.attentions().items():
        for layer, attend in enumerate(attends, 1):
            assert [one.score.where for one in inside(attend)] == [(KINDS[kind], layer)]


class ToldBias(Bias):
    """A position bias that knows where it is."""

    def __init__(self, heads: int, score: Score, place: Place, layer: int) -> None:
        super().__init__()
        self.where = place, layer

    def forward(self, query: Tensor, distance: Tensor) -> Tensor:
        return distance / self.where[1]


class ToldPositions(Positions):
    def bias(self, causal: bool) -> MakeBias:
        return ToldBias


def test_a_position_bias_that_asks_is_told_where_it_is():
    own = {"_target_": f"{__name__}.ToldPositions", "_partial_": True}
    model = small_transformer({"positions": own})
    biases = {
        (KINDS[kind], layer): one.bias
        for kind, attends in model.attentions().items()
        for layer, attend in enumerate(attends, 1)
        for one in inside(attend)
    }
    for where, bias in biases.items():
        assert getattr(bias, "where", None) == (None if where[0] == Place.CROSS else where)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoder.heads": 2}, r"encoder\.heads .* model\.encoder_self_attention=true"),
        ({"decoder.1.window": None}, r"decoder\.1 .* model\.decoder_self_attention=true"),
        ({"cross.tie_keys_values": True}, r"tie_keys_values=true does not apply to .*heads=1"),
        ({"cross.heads": 3}, r"cross\.1: model\.heads=3"),
        ({"cross.attention": yaml("attention", "none"), "cross.hops": 2}, r"cross\.1: .*hops=2"),
    ],
)
def test_what_an_rnn_without_self_attention_has_no_use_for_is_refused(settings, reason):
    with pytest.raises(UserError, match=reason):
        small_rnn(settings)


def test_an_rnn_may_look_at_itself_alone():
    model = small_rnn(
        {"cross.attention": yaml("attention", "none")}, decoder_self_attention=True
    ).double()
    assert list(parts(model, "attention").values()) == ["LuongGeneral"]
    steps_are_the_whole_target(model.eval())


def test_a_place_without_a_choice_is_named_by_what_holds_there():
    """In a sweep over cross.window, runs without it have the window of the model."""
    one = {"window": "full", "model.heads": 4, "cross.window": "local_m", "encoder.1.window": "a"}
    other = {"window": "full", "model.heads": 4, "cross.heads": 2, "encoder.window": "b"}
    named = Naming([one, other]).name
    assert (named(one), named(other)) == (
        "cross.window=local_m, encoder.1.window=a, cross.heads=4, encoder.window=full",
        "cross.window=full, encoder.1.window=b, cross.heads=2, encoder.window=b",
    )


def test_typed_words_are_stored_named_and_built_again(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["cross.normalize=sparsemax", "decoder.1.window=local_m", "decoder.1.window.radius=2"]
    own = "model.decoder_self_attention=true"
    answer = nmt("train", *tiny, own, *words, "cross.heads=2", "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    again = OmegaConf.to_container(with_values(read_config(Path("run")), ["cross.heads=1"]))
    one, other = read_settings(Path("run")), settings(again)

    typed = dict(word.split("=") for word in words)
    assert typed.items() <= {key: str(value) for key, value in one.items()}.items()
    assert Naming([one, other]).name(one) == "cross.heads=2"
    assert again["model"]["cross"]["heads"] == 1

    model = open_run(Path("run"), "cpu", "fp32").model
    assert parts(model, "normalize")[Place.CROSS, 1] == "Sparsemax"
    assert parts(model, "normalize")[Place.DECODER, 1] == "Softmax"
    assert parts(model, "window")[Place.DECODER, 1] == "LocalM"
    assert model.attend.heads == 2
    assert "chooses a part" in mistake(nmt("train", "from=run", "cross.window=full"))
