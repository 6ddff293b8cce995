"""TensorBoard's HParams over several runs: which columns its table and parallel coordinates have.

Each run writes its own row (`nmt.report.logger.Logger.hparams`). The columns are written once, for
all of them: the settings that differ, with their types and values, and what was measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.plugins.hparams import summary_v2 as hp
from torch.utils.tensorboard.writer import SummaryWriter

from nmt.config.settings import Setting
from nmt.report.logger import events_of, row_of
from nmt.runs.folder import EVENT_FILES
from nmt.runs.foreign import is_number

# Measures: the tag in TensorBoard, the heading, and the keys in result.json.
MEASURED = (
    ("test/bleu", "BLEU", ("bleu",), 1),
    ("test/chrf", "chrF", ("chrf",), 1),
    ("test/ter", "TER", ("ter",), 1),
    ("test/bleu_tok_lc", "BLEU lc", ("bleu_tok_lc",), 1),
    ("test/loss", "loss", ("loss",), 1),
    ("test/perplexity", "perplexity", ("perplexity",), 1),
    ("test/sentences_per_s", "sentences/s", ("sentences_per_s",), 1),
    ("final/dev_perplexity", "dev perplexity", ("tested_weights", "perplexity"), 1),
    ("final/entropy", "entropy", ("tested_weights", "entropy"), 1),
    ("final/minutes", "minutes", ("seconds",), 60),
    ("final/tokens_per_s", "tokens/s", ("tokens_per_s",), 1),
    ("final/parameters", "parameters", ("parameters",), 1),
    ("final/peak_memory_mb", "memory (MiB)", ("peak_memory_bytes",), 2**20),
)
ALWAYS = ("model", "attention", "seed")  # settings that always have a column


def measured(result: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a run's row by tag, those that it has."""
    found = {tag: number(result, keys, unit) for tag, _, keys, unit in MEASURED}
    return {tag: value for tag, value in found.items() if value is not None}


def number(result: dict[str, Any], keys: Sequence[str], unit: float) -> float | None:
    """Return the number at nested keys of result.json in units of ``unit``; None: there is none."""
    value: Any = result
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value / unit if is_number(value) else None


def write_columns(folder: Path, found: Mapping[Path, dict[str, Setting]]) -> None:
    """Write the columns of the table over runs into a folder's events.

    ``found`` are the settings of each run by its folder. The rows of older runs have seeds and
    switches as numbers, and TensorBoard hides rows whose values are not those of a column.
    """
    runs = list(found.values())
    if all(events_of(run) == run for run in found):
        runs = [row_of(run) for run in runs]
    keys = list(dict.fromkeys(key for run in runs for key in run))
    differ = [key for key in keys if len({run.get(key) for run in runs}) > 1]
    shown = [key for key in keys if key in ALWAYS or (key in differ and not is_implied(key, runs))]
    columns = [column(key, [run[key] for run in runs if key in run]) for key in shown]
    metrics = [hp.Metric(tag, display_name=heading) for tag, heading, _, _ in MEASURED]
    summary = hp.hparams_config_pb(columns, metrics)
    place = events_of(folder)
    for old in place.glob(EVENT_FILES):
        old.unlink()
    with SummaryWriter(str(place)) as writer:
        assert writer.file_writer
        writer.file_writer.add_summary(summary)


def is_implied(key: str, runs: Sequence[Mapping[str, Setting]]) -> bool:
    """Tell whether a part decides a setting below it, as ``attention=bahdanau`` does its width."""
    part = key.rpartition(".")[0]
    chosen = [run for run in runs if part in run]
    values = {(run[part], run.get(key)) for run in chosen}
    return bool(chosen) and len(values) == len({one for one, _ in values})


def column(key: str, values: list[Setting]) -> hp.HParam:
    """Describe a setting: numbers have an interval, words the list of those there are."""
    numbers = [float(value) for value in values if isinstance(value, bool) or is_number(value)]
    if len(numbers) == len(values):
        return hp.HParam(key, hp.RealInterval(min(numbers), max(numbers)))
    return hp.HParam(key, hp.Discrete({str(value) for value in values}))
