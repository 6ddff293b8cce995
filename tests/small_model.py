"""Models of the yamls of configs/, so small that hundreds of them are tested in seconds."""

from collections.abc import Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

from choices import CONFIGS, choose
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from nmt.attention.place import Place
from nmt.laws.model import SOURCE_VOCABULARY, TARGET_VOCABULARY
from nmt.models.rnn import RNN
from nmt.models.transformer import Transformer

CHOICES = {
    "cell": "lstm",
    "bridge": "last",
    "order": "luong",
    "attention": "luong_general",
    "normalize": "softmax",
    "window": "full",
    "sink": "none",
    "gate": "none",
    "mix": "none",
}
SIZES = {
    "embedding_width": 6,
    "encoder_width": 5,
    "encoder_layers": 2,
    "decoder_width": 10,  # 2 · encoder_width, as scores that multiply query and key need it
    "decoder_layers": 2,
    "readout_width": 7,
    "tie_output": False,
    "share_embeddings": False,
}

# What a choice cannot do without.
NEEDS = {("normalize", "relu"): {"gate": "rms"}, ("window", "fixed"): {"heads": 2}}
NEEDS |= {("mix", "talking_heads"): {"heads": 2}}

TRANSFORMER_CHOICES = {
    "attention": "scaled_dot",
    "normalize": "softmax",
    "window": "full",
    "sink": "none",
    "gate": "none",
    "mix": "none",
    "positions": "sinusoidal",
    "feed_forward": "relu",
    "residual": "pre",
    "norm": "layer",
}
TRANSFORMER_SIZES = {
    "width": 12,
    "feed_forward_width": 14,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "heads": 3,
    "tie_output": False,
    "share_embeddings": False,
}


@cache
def read(group: str, name: str) -> DictConfig:
    """A yaml; whoever puts it into another configuration has a copy of it there."""
    config = OmegaConf.load(CONFIGS / group / f"{name}.yaml")
    assert isinstance(config, DictConfig)
    return config


@cache
def numbers(model: str) -> dict[str, Any]:
    """What the yaml of a model says but for its parts."""
    content = OmegaConf.to_container(read("model", model))
    assert isinstance(content, dict)
    left_out = ("defaults", "_partial_")
    return {
        str(key): value
        for key, value in content.items()
        if key not in left_out and not str(value).startswith("${")
    }


def small_rnn(
    settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    source_vocabulary: int = SOURCE_VOCABULARY,
    target_vocabulary: int = TARGET_VOCABULARY,
    **changes: Any,
) -> RNN:
    """The model of configs/model/rnn.yaml.

    `settings` of the parts as at the command line ({"order.input_feed": True}); `changes` are other
    parts (order="bahdanau") and other values of the model itself.
    """
    make = built("rnn", CHOICES, settings, SIZES, changes)
    return make(source_vocabulary=source_vocabulary, target_vocabulary=target_vocabulary)


def small_transformer(
    settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    source_vocabulary: int = SOURCE_VOCABULARY,
    target_vocabulary: int = TARGET_VOCABULARY,
    **changes: Any,
) -> Transformer:
    """The model of configs/model/transformer.yaml; see `small_rnn`."""
    make = built("transformer", TRANSFORMER_CHOICES, settings, TRANSFORMER_SIZES, changes)
    return make(source_vocabulary=source_vocabulary, target_vocabulary=target_vocabulary)


def built(
    model: str,
    choices: Mapping[str, str],
    settings: Mapping[str, Any],
    sizes: Mapping[str, Any],
    changes: dict[str, Any],
) -> Any:
    """What builds a model for two vocabularies, from the yamls as Hydra would."""
    for choice in list(changes.items()):
        changes = NEEDS.get(choice, {}) | changes if choice[0] in choices else changes
    places = OmegaConf.create({place: {} for place in Place})
    values: dict[str, dict[str, Any]] = {group: {} for group in choices}
    parts: dict[str, Any] = {}
    for key, value in settings.items():
        part, _, rest = key.partition(".")
        if part in choices and rest:
            values[part][rest] = value
        elif part in choices:
            parts[part] = instantiate(value)
        else:
            OmegaConf.update(places, key, value, force_add=True)
    for group, usual in choices.items():
        made = choose(group, changes.pop(group, usual), **values[group])
        parts.setdefault(group, made)
    own = instantiate(places) if settings else places
    given = {**numbers(model), **parts, **own, **sizes, **changes}
    return partial(get_class(given.pop("_target_")), **given)
