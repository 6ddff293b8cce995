"""Configurations of older formats are read as what they were trained with."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from choices import CONFIGS
from torch.testing import assert_close

from nmt.attention.place import Place
from nmt.comparison.runs import read_settings
from nmt.decoding.decode import Decode
from nmt.run import open_run
from nmt.runs.lifting import FORMAT, SINCE_4, SINCE_8, lifted
from nmt.study.pins import Pins


@pytest.fixture
def old(trained, tmp_path) -> Path:
    """A run folder as nmt wrote it before the switches of format 4."""
    run = tmp_path / "old"
    shutil.copytree(trained, run)
    content = yaml.safe_load((run / "config.yaml").read_text())
    assert content.pop("format") == FORMAT
    del content["model"]["tie_keys_values"]
    for key in SINCE_8:
        del content["decode"][key]
    (run / "config.yaml").write_text(yaml.safe_dump({"format": 3, **content}))
    return run


def test_a_run_of_an_older_format_is_the_same_run(old, trained):
    one, other = (open_run(run, "cpu", "fp32").model.state_dict() for run in (old, trained))
    assert_close(one, other)
    assert read_settings(old) == read_settings(trained)


@pytest.mark.parametrize("target", SINCE_4)
def test_a_part_without_a_newer_switch_has_it_off_as_the_yaml_has(target):
    files = [*CONFIGS.glob("attention/*.yaml"), CONFIGS / "model/rnn.yaml"]
    files += [CONFIGS / "model/transformer.yaml"]
    (today,) = [
        content
        for file in files
        if (content := yaml.safe_load(file.read_text()))["_target_"] == target
    ]
    before: dict[str, Any] = {k: v for k, v in today.items() if k not in SINCE_4[target]}
    key = "model" if "models" in target else "attention"
    assert lifted({key: dict(before)}, 3)[key] == today
    assert not SINCE_4[target] & lifted({key: dict(before)}, 4)[key].keys()


def test_what_the_search_took_on_since_format_8_is_off_by_default():
    assert vars(Decode()).items() >= SINCE_8.items()


def test_scores_of_a_transformer_are_of_places_since_format_5():
    usual, other = ({"_target_": name, "_partial_": True} for name in ("a.A", "b.B"))
    old = {"attention": usual, "model": {"self_attention": other, "cross_attention": usual}}
    own = {"encoder": {"attention": other}, "decoder": {"attention": other}, "cross": {}}
    now = lifted(old, 4)
    for node in (now, now["model"]):  # since formats 6 and 7
        assert node.pop("gate")["_target_"] == "nmt.attention.gate.NoGate"
        assert node.pop("mix")["_target_"] == "nmt.attention.mix.NoMix"
    assert now["model"].pop("soft_cap", "") is None
    assert now["model"].pop("key_heads", "") is None  # since format 7
    assert now["model"].pop("copy") is False  # since format 8
    assert now == {"attention": usual, "model": {"attention": usual, **own}, **own}


def test_the_memory_of_an_rnn_was_of_hidden_states_before_format_9():
    old = {"model": {"_target_": "nmt.models.rnn.RNN", "copy": False}}
    assert lifted(old, 8)["model"]["output_memory"] is False


def test_gates_that_close_are_as_slow_as_they_were_before_format_7():
    gate = {"_target_": "nmt.attention.head_gate.L0Gate", "_partial_": True, "weight": 0.01}
    old = {"gate": dict(gate), "model": {"gate": dict(gate), "cross": {"1": {"gate": dict(gate)}}}}
    now = lifted(old, 6)
    slow = gate | {"speed": 1.0}
    assert now["gate"] == now["model"]["gate"] == now["model"]["cross"]["1"]["gate"] == slow
    assert "speed" not in lifted({"gate": dict(gate)}, 7)["gate"]


def test_what_was_pinned_before_format_5_is_one_score_in_all_places():
    pins = Pins.read(CONFIGS.parent / "docs" / "studies" / "multi30k_transformer.pinned.yaml")
    for variant in pins.variants:
        cfg = pins.config(variant)
        assert cfg.model.attention == cfg.attention
        assert not any(cfg.model[place] or cfg[place] for place in Place)
