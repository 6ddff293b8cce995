"""Golden runs: the losses of the first steps of some configurations, as they once were.

tests/golden/NAME.json has the words of a training and what came of them; scripts/record_golden.py
writes it.
"""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from command import nmt
from number_language import corpus_words, write_numbers

from nmt.evaluation.evaluate import processor
from nmt.hardware.processor import cpu_flags
from nmt.report.logger import read_metrics

GOLDEN = Path(__file__).parent / "golden"
STEPS = 8
ALWAYS = [
    *("train.max_tokens=128", f"train.max_steps={STEPS}", f"train.evaluate_every={STEPS}"),
    *("train.log_every=1", "train.heatmaps=0", "schedule=linear", "schedule.warmup=4"),
    "device=cpu",
    *("decode.beam=1", "decode.max_ratio=1"),
]


def names() -> list[str]:
    """The golden runs that there are."""
    return sorted(path.stem for path in GOLDEN.glob("*.json"))


def golden(name: str) -> dict[str, Any]:
    """What is recorded of one."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def made_with() -> dict[str, str]:
    """What decides how sums are rounded here."""
    return {
        "torch": torch.__version__,
        "processor": processor(),
        "instructions": " ".join(
            [
                *(platform.machine(), torch.backends.cpu.get_cpu_capability()),
                *sorted(flag for flag in cpu_flags() if flag.startswith(("amx", "avx", "fma"))),
            ]
        ),
    }


def losses(words: list[str], folder: Path) -> list[float]:
    """Train by these words in an empty folder; the loss of each step."""
    (folder / "numbers").mkdir()
    write_numbers(folder / "numbers")
    given = [*corpus_words(folder / "numbers"), *ALWAYS, f"cache={folder / 'cache'}"]
    with one_thread():
        answer = nmt("train", *given, *words, f"hydra.run.dir={folder / 'run'}")
    assert answer.code == 0, answer.err
    return [line["train/loss"] for line in read_metrics(folder / "run") if "train/loss" in line]


@contextmanager
def one_thread() -> Iterator[None]:
    """Sum in one order, however many threads there are otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
