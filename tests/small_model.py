"""RNNs built from the yamls of configs/, so small that hundreds of them are tested in seconds."""

from typing import Any

from choices import CONFIGS
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from nmt.models.rnn import RNN

SOURCE_VOCABULARY, TARGET_VOCABULARY = 23, 29
CHOICES = {
    "cell": "lstm",
    "bridge": "last",
    "order": "luong",
    "attention": "luong_general",
    "normalize": "softmax",
    "window": "full",
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


def read(group: str, name: str) -> DictConfig:
    config = OmegaConf.load(CONFIGS / group / f"{name}.yaml")
    assert isinstance(config, DictConfig)
    return config


def small_rnn(
    *,
    input_feed: bool | None = None,
    source_vocabulary: int = SOURCE_VOCABULARY,
    target_vocabulary: int = TARGET_VOCABULARY,
    **changes: Any,
) -> RNN:
    """The model of configs/model/rnn.yaml with other choices (order="bahdanau") and sizes."""
    parts = {group: read(group, changes.pop(group, name)) for group, name in CHOICES.items()}
    if input_feed is not None:
        parts["order"]["input_feed"] = input_feed
    model = OmegaConf.merge(read("model", "rnn"), SIZES, changes)
    make = instantiate(OmegaConf.create({**parts, "model": model}).model)
    return make(source_vocabulary=source_vocabulary, target_vocabulary=target_vocabulary)
