"""Measure training speed: target pieces per second, with and without what makes it fast.

    python scripts/benchmark_training.py [--threads 2] [--updates 8] [--rounds 3]

The shapes are those that toolkits are compared with: a bidirectional LSTM encoder of 256 a
direction, an LSTM decoder of 512 and embeddings of 256; a Transformer of 4 + 4 layers of 128, and
one of 3 + 3 layers of 256; all with a joint vocabulary of 8,000 and updates of 4,096 target
positions (padding is not counted as pieces). Sentences are random ids with lengths like
those of image captions, so no corpus is needed. Variants take turns, one process each, `--rounds`
times; the median counts, and ratios are of medians of the same call.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from rich.console import Console

from nmt.attention.mask import PAD
from nmt.config import register_schema
from nmt.data.batching import token_batches
from nmt.data.loader import Batch
from nmt.experiment import build_optimizer
from nmt.report.table import table
from nmt.run import build_model
from nmt.training.loss import batch_loss
from nmt.training.runtime import autocast, keep_heap, pick_precision
from nmt.yamls import config_folder

VOCABULARY = 8000
UNTIED = ["model.tie_output=false"]  # the output layer reads 512, as in the other toolkits
SHAPES = {
    "additive, input feeding": [*UNTIED, "attention=bahdanau", "order.input_feed=true"],
    "general, input feeding": [*UNTIED, "attention=luong_general", "order.input_feed=true"],
    "additive, order bahdanau": [*UNTIED, "attention=bahdanau", "order=bahdanau"],
    "general, nothing fed back": [*UNTIED, "attention=luong_general"],
    "general, nothing fed back, tied": ["attention=luong_general"],
    "transformer_tiny": ["model=transformer_tiny"],
    "transformer_small": ["model=transformer_small"],
}


class Pieces:
    """Stands for a tokenizer: a vocabulary of a size."""

    def __len__(self) -> int:
        """How many pieces there are."""
        return VOCABULARY


def random_batches(num: int, max_tokens: int) -> list[Batch]:
    """Draw batches of random ids whose lengths vary as in a corpus of captions."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.normal(15, 5, size=(20_000, 1)), 4, 40)
    lengths = (lengths + random.normal(0, 1.5, size=(20_000, 2))).clip(4).astype(int)
    batches: list[Batch] = []
    for rows in token_batches(lengths, max_tokens, 0, 0)[:num]:
        source, target = (random_ids(random, lengths[rows, side]) for side in (0, 1))
        batches.append(Batch(source, target))
    return batches


def random_ids(random: np.random.Generator, lengths: np.ndarray) -> torch.Tensor:
    """Draw rows of ids of these lengths, padded."""
    ids = random.integers(4, VOCABULARY, size=(len(lengths), int(lengths.max()) + 1))
    ids[np.arange(ids.shape[1]) > lengths[:, None]] = PAD
    return torch.from_numpy(ids)


def measure(shape: str, precision: str, heap: bool, threads: int, updates: int) -> float:
    """Train for some updates in this process: target pieces per second."""
    torch.set_num_threads(threads)
    if heap:
        keep_heap()
    device = torch.device("cpu")
    register_schema()
    with initialize_config_dir(str(config_folder().resolve()), version_base="1.3"):
        cfg = compose("train", SHAPES[shape])
    torch.manual_seed(0)
    model = build_model(cfg, Pieces(), Pieces())  # type: ignore[arg-type]
    optimizer = build_optimizer(cfg.optimizer, model, device)
    dtype = pick_precision(precision, device)
    batches = random_batches(updates + 2, max_tokens=4096)
    started, pieces = 0.0, 0
    for number, batch in enumerate(batches):
        if number == 2:  # warm
            started = time.perf_counter()
        with autocast(device, dtype):
            loss = batch_loss(model, batch, smoothing=0.1)
        (loss.smoothed / batch.num_pieces).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        pieces += batch.num_pieces if number >= 2 else 0
    return pieces / (time.perf_counter() - started)


def main() -> None:
    """Measure all variants, in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--shapes", help="names with one of these words in them, such as transformer"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        shape, precision, heap = json.loads(arguments.one)
        print(measure(shape, precision, heap, arguments.threads, arguments.updates))
        return
    words = (arguments.shapes or "").split(",")
    shapes = [shape for shape in SHAPES if any(word in shape for word in words)]
    variants = [
        (shape, precision, heap)
        for shape in shapes
        for precision in ("fp32", "bf16")
        for heap in (False, True)
    ]
    found: dict[tuple[str, str, bool], list[float]] = {variant: [] for variant in variants}
    options = ["--threads", str(arguments.threads), "--updates", str(arguments.updates)]
    for _ in range(arguments.rounds):
        for variant in variants:
            command = [sys.executable, str(Path(__file__)), "--one", json.dumps(variant), *options]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            found[variant].append(float(answer.stdout))
    rows = []
    for shape in shapes:
        for precision in ("fp32", "bf16"):
            plain, kept = (median(found[shape, precision, heap]) for heap in (False, True))
            rows.append((shape, precision, round(plain), round(kept), f"{kept / plain:.2f}"))
    header = ("attention", "precision", "tokens/s", "tokens/s, heap kept", "ratio")
    Console(width=120).print(table(header, rows))


if __name__ == "__main__":
    main()
