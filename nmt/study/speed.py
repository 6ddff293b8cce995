"""How fast the variants of a study train and translate: by `nmt bench`, on a quiet machine.

Runs of a study share machines with other work, so their minutes say little. All variants are
measured in turn, several rounds, and the medians stand in NAME.speed.json beside the ledger.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nmt.bench.speed import Speed
from nmt.config.schema import BenchRoot
from nmt.experiment.build import Parts, build
from nmt.runs.files import write_json
from nmt.training.ranks import Ranks

SENTENCES = 128  # to translate
LENGTH = 15  # pieces of a sentence, in the mean


def speed_path(ledger: Path) -> Path:
    """Return where the speeds of a study lie, by the path of its ledger."""
    return ledger.with_suffix(".speed.json")


def measure_speeds(
    configs: dict[str, DictConfig],
    rounds: int,
    measure: Callable[[Parts], Speed],
    say: Callable[[str], None],
    path: Path,
) -> None:
    """Measure every variant in turn, ``rounds`` times, and write the medians."""
    trained: dict[str, list[float]] = {name: [] for name in configs}
    translated: dict[str, list[float]] = {name: [] for name in configs}
    machine: dict[str, Any] = {}
    for number in range(1, rounds + 1):
        for name, cfg in configs.items():
            figures = measure(build(bench_config(cfg), Ranks())).figures()
            machine = {key: figures["machine"][key] for key in ("device", "threads", "precision")}
            trained[name].append(figures["training"]["tokens_per_s"])
            translated[name].append(figures["decoding"]["sentences_per_s"])
            say(f"round {number}/{rounds} {name}: {trained[name][-1]:,.0f} target pieces/s")
    speeds = {
        name: {
            "tokens_per_s": round(median(trained[name]), 1),
            "sentences_per_s": round(median(translated[name]), 2),
        }
        for name in configs
    }
    about = {"machine": machine, "date": f"{date.today():%Y-%m-%d}", "rounds": rounds}
    write_json(path, {**about, "length": LENGTH, "variants": speeds})


def bench_config(cfg: DictConfig) -> DictConfig:
    """Return what `nmt bench` reads: random sentences in as many pieces as the run's."""
    bench = {"vocabulary": cfg.tokenizer.size, "length": LENGTH, "sentences": SENTENCES}
    content: Any = OmegaConf.to_container(cfg)
    merged = OmegaConf.merge(OmegaConf.structured(BenchRoot), content, {"bench": bench})
    assert isinstance(merged, DictConfig)
    return merged
