"""Run folders written by hand: what a training leaves, without the training."""

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

CONFIG: dict[str, Any] = {
    "data": {"_target_": "nmt.data.files.Files", "source": "de", "target": "en"},
    "tokenizer": {"kind": "unigram", "size": 1000},
    "clean": {"max_pieces": 60},
    "model": {
        "_target_": "nmt.models.rnn.RNN",
        "dropout": 0.25,
        "attention": {"_target_": "nmt.attention.bahdanau.Bahdanau", "width": None},
    },
    "attention": {"_target_": "nmt.attention.bahdanau.Bahdanau", "width": None},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.001},
    "train": {"max_steps": 40, "max_tokens": 1024, "max_minutes": None, "watch": "bleu"},
    "decode": {"beam": 2},
    "seed": 1,
    "cache": None,
}
NONE = {"_target_": "nmt.attention.none.FixedContext"}
DOT = {"_target_": "nmt.attention.luong_dot.LuongDot"}
SIGNATURES = dict.fromkeys(("bleu", "chrf", "ter", "bleu_tok_lc"), "tok:13a|version:2.6.0")
RESULT: dict[str, Any] = {
    "split": "test",
    "bleu": 20.0,
    "chrf": 40.0,
    "ter": 60.0,
    "bleu_tok_lc": 21.0,
    "signatures": SIGNATURES,
    "parameters": 4_960_000,
    "seconds": 300.0,
    "tokens_per_s": 3500.5,
    "sentences_per_s": 25.25,
    "peak_memory_bytes": 3 * 2**30,
    "best_dev": {"bleu": 22.5},
    "tested_weights": {"loss": 2.0, "perplexity": 7.389, "entropy": 1.5},
    "device": "a processor, 1 threads",
    "precision": "fp32",
}
WORDS = [
    "the",
    "a",
    "dog",
    "cat",
    "house",
    "tree",
    "ball",
    "red",
    "old",
    "runs",
    "sleeps",
    "sees",
    "in",
    "on",
    "with",
]


def text(seed: int, num: int = 40) -> list[str]:
    """Lines of words, 3 to 12 long, always the same for a seed."""
    return [
        " ".join(WORDS[(seed * 7 + 5 * i + 3 * j + i * j) % len(WORDS)] for j in range(3 + i % 10))
        for i in range(num)
    ]


def configured(attention: dict | None = None, **changes: Any) -> dict[str, Any]:
    """The configuration with other settings, by dotted key with __ for the dots."""
    config = deepcopy(CONFIG)
    if attention:
        config["attention"] = config["model"]["attention"] = attention
    for key, value in changes.items():
        *path, last = key.split("__")
        node = config
        for name in path:
            node = node[name]
        node[last] = value
    return config


def write_run(
    folder: Path,
    config: dict[str, Any] | None,
    result: dict[str, Any] | None = None,
    hypotheses: list[str] | None = None,
    references: list[str] | None = None,
    losses: list[tuple[float, int]] | None = None,
) -> Path:
    """Write a run folder; without a result it is one that was interrupted."""
    folder.mkdir(parents=True)
    if config is not None:
        (folder / "config.yaml").write_text(json.dumps(config))  # YAML too
    steps = [{"step": s, "train/loss": 5.0, "train/minutes": s / 8} for s in (10, 20)]
    dev = [{"step": s, "dev/bleu": s / 2, "attention/entropy": 30 / s} for s in (10, 20)]
    lines = "".join(json.dumps(line) + "\n" for line in steps + dev)
    (folder / "metrics.jsonl").write_text(lines)
    if result is None:
        return folder
    (folder / "result.json").write_text(json.dumps(result))
    references = references or text(0)
    texts = {
        "hypotheses": hypotheses or references,
        "references": references,
        "sources": [line.upper() for line in references],
    }
    for name, content in texts.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in content))
    if losses:
        lines = "".join(f"{nats!r}\t{pieces}\n" for nats, pieces in losses)
        (folder / "losses.txt").write_text(lines)
    return folder


def write_scored(
    folder: Path, config: dict[str, Any], wrong: float, losses: bool = True, num: int = 40
) -> Path:
    """Write a run that gets about such a share of the words wrong, with its real scores."""
    random = Random(f"{config['seed']} {wrong}")
    references = text(0, num)
    hypotheses = [
        " ".join(random.choice(WORDS) if random.random() < wrong else word for word in line.split())
        for line in references
    ]
    pieces = [1 + len(line.split()) for line in references]
    nats = [number * (1 + wrong + random.gauss(0, 0.05)) for number in pieces]
    result = {
        **RESULT,
        "seed": config["seed"],
        "bleu": BLEU(force=True).corpus_score(hypotheses, [references]).score,
        "chrf": CHRF().corpus_score(hypotheses, [references]).score,
        "loss": sum(nats) / sum(pieces),
    }
    kept = list(zip(nats, pieces, strict=True)) if losses else None
    return write_run(folder, config, result, hypotheses, references, kept)
