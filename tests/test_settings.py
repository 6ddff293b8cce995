"""The settings of a run in the words they are typed with."""

import pytest
from choices import CONFIGS
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from nmt.config.schema import register_schema
from nmt.config.settings import settings
from nmt.config.words import as_choice


def of(*words: str) -> dict:
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [as_choice(word) for word in words])
        return settings(OmegaConf.to_container(cfg, resolve=True))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["attention=bahdanau"], {"attention": "bahdanau", "cell": "lstm", "order": "luong"}),
        (["attention=none", "seed=3"], {"attention": "none", "seed": 3}),
        (["model.dropout=0.25", "cell=gru"], {"model.dropout": 0.25, "cell": "gru"}),
        (["model=transformer_tiny"], {"model": "transformer", "cell": "none", "norm": "layer"}),
        (["model=transformer", "residual=post"], {"residual": "post"}),
        (["consistency=rdrop"], {"consistency": "rdrop", "consistency.weight": 5.0}),
        (["window=local_m"], {"window": "local_m"}),
        (["order=bahdanau", "optimizer=adamw"], {"order": "bahdanau", "optimizer": "adamw"}),
        (["schedule=noam"], {"schedule": "noam", "optimizer": "adam", "optimizer.lr": 1.0}),
        (["schedule=wsd"], {"schedule": "wsd", "optimizer.lr": 0.002, "train.keep_best": 1}),
        (
            ["model=transformer", "encoder.attention=luong_dot", "cross.heads=2"],
            {"attention": "scaled_dot", "encoder.attention": "luong_dot", "cross.heads": 2},
        ),
        (
            ["model=transformer", "cross.window=local_m", "cross.2.window=full"],
            {"cross.window": "local_m", "cross.window.radius": 10, "cross.2.window": "full"},
        ),
    ],
)
def test_parts_have_the_names_of_their_yamls(words, expected):
    found = of(*words)

    assert expected.items() <= found.items()


def test_a_shared_part_is_named_once_and_what_is_only_shown_not_at_all():
    found = of("model=transformer", "train.heatmaps=7", "cache=/tmp/x", "cross.window=full")

    shared = ("model.positions", "model.cross", "cross")
    assert not any(key.startswith(shared) for key in found)
    assert "model.attention" not in found
    assert not {"cache", "train.heatmaps", "train.log_every"} & found.keys()
    assert "train.max_minutes" not in found, "null"
