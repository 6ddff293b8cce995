"""Converts configurations of older formats to the current one.

A run folder has the configuration that it was trained with. When it is read, names that have
changed since are converted here, one format after the other, so that old runs translate and resume.
"""

from collections.abc import Iterator
from typing import Any

NO_SINK = "nmt.attention.sink.NoSink"
NO_GATE = "nmt.attention.gate.NoGate"
L0_GATE = "nmt.attention.head_gate.L0Gate"
NO_MIX = "nmt.attention.mix.NoMix"
RNN = "nmt.models.rnn.RNN"
FORMAT = 10  # the current format, see scripts/keep_old_run.py; 0: before formats had numbers

# Switches that format 4 added, by part; before, all were false.
SINCE_4 = {
    "nmt.attention.bahdanau.Bahdanau": ("bias",),
    "nmt.attention.luong_concat.LuongConcat": ("bias",),
    "nmt.models.rnn.RNN": ("tie_keys_values",),
    "nmt.models.transformer.Transformer": ("tie_keys_values",),
}

# Settings of the search that format 8 added, with the values that held before.
SINCE_8 = {
    "method": "beam",
    "length_norm": "wu",
    "min_length": 0,
    "no_repeat_ngram": 0,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 1,
    "candidates": "samples",
    "samples": 32,
    "utility": "chrf",
}


def lifted(config: dict[str, Any], number: int) -> dict[str, Any]:
    """Convert a configuration of format ``number`` to FORMAT; the old one may change."""
    if number < 2:
        for node in parts(config, "normalize"):
            node["_partial_"] = True  # each attention makes its own since then
    if number < 3:
        for node in (config, config["model"]) if config.get("model") else ():
            node.setdefault("sink", {"_target_": NO_SINK, "_partial_": True})
    if number < 4:
        for node in (*parts(config, "attention"), *parts(config, "model")):
            for key in SINCE_4.get(str(node.get("_target_")), ()):
                node.setdefault(key, False)
    if number < 5:
        place_scores(config)
    if number < 6:
        for node in (config, config["model"]) if config.get("model") else ():
            node.setdefault("gate", {"_target_": NO_GATE, "_partial_": True})
        for node in parts(config, "model"):
            node.setdefault("soft_cap", None)
    if number < 7:
        for node in (config, config["model"]) if config.get("model") else ():
            node.setdefault("mix", {"_target_": NO_MIX, "_partial_": True})
        for node in parts(config, "model"):
            node.setdefault("key_heads", None)
        for node in parts(config, "gate"):
            if node.get("_target_") == L0_GATE:
                node.setdefault("speed", 1.0)  # heads hardly closed then
    if number < 8:
        for node in parts(config, "model"):
            node.setdefault("copy", False)
        for key, value in SINCE_8.items() if config.get("decode") else ():
            config["decode"].setdefault(key, value)
    if number < 9:
        if "consistency" in config:  # all of a training
            config.setdefault("teacher", None)
        for node in parts(config, "model"):
            if node.get("_target_") == RNN:
                node.setdefault("output_memory", False)
    if number < 10 and "consistency" in config:
        config.setdefault("threads", None)
        config.setdefault("products", "auto")
    return config


def place_scores(config: dict[str, Any]) -> None:
    """Name the scores of a Transformer as format 5 does: one, and others for single places.

    Before, it had one for self-attention and one for source-target attention.
    """
    model = config.get("model") or {}
    if "self_attention" not in model:
        return
    own, across = model.pop("self_attention"), model.pop("cross_attention")
    usual = model["attention"] = config.get("attention") or own
    for place, score in {"encoder": own, "decoder": own, "cross": across}.items():
        for node in (config, model):
            node[place] = {} if score == usual else {"attention": score}


def parts(node: Any, name: str) -> Iterator[dict[str, Any]]:
    """Yield every node that stands at a key of this name, or at one that ends with _name."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict) and (key == name or str(key).endswith(f"_{name}")):
            yield value
        yield from parts(value, name)
