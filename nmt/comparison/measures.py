"""The measures of runs and variants: one list for all tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, NamedTuple

from nmt.comparison.outside import Outside
from nmt.comparison.runs import Run
from nmt.comparison.variants import Variant
from nmt.metrics.words import BUCKETS, DROPPED, HEADINGS, REPEATED, WORD_SCORES, percent
from nmt.report.hparams import number


@dataclass(frozen=True)
class Measure:
    """A number of a run: its name in files, its heading in tables, its unit."""

    name: str
    heading: str
    digits: int
    read: Callable[[Run], Any]  # None: not measured
    meaning: str
    better: int = 0  # 1: higher is better; -1: lower; 0: neither


class Statistic(NamedTuple):
    """A measure over the runs of a variant that have it."""

    mean: float
    deviation: float | None  # of the sample; None: a single run has none
    number: int


def result(*keys: str, unit: float = 1) -> Callable[[Run], float | None]:
    """Return a function that reads a number of result.json, in units of ``unit``."""
    return lambda run: number(run.result, keys, unit)


def of_words(name: str) -> Callable[[Run], float | None]:
    """Return a function that reads a word score."""
    return lambda run: percent(run.words[name]) if name in run.words else None


MEANINGS = {
    REPEATED: "repeated bigrams that the reference does not repeat, and words that follow "
    "themselves, per 100 words of the reference (Malaviya et al. 2018); lower is better",
    DROPPED: "the share of source words with a counterpart in the reference that have none in the "
    "translation, in percent (Malaviya et al. 2018); lower is better",
} | {
    name: f"F1 of words that the training text has {least:,} times or more"
    if least
    else "F1 of words that the training text has less than ten times"
    for least, name in BUCKETS.items()
}
WORDS = tuple(
    Measure(
        one,
        HEADINGS[one],
        2,
        of_words(one),
        MEANINGS[one],
        better=-1 if one in (REPEATED, DROPPED) else 1,
    )
    for one in WORD_SCORES
)
QUALITY = (
    Measure("bleu", "BLEU", 2, result("bleu"), "of the test set, by sacreBLEU", 1),
    Measure("chrf", "chrF", 2, result("chrf"), "of the test set, by sacreBLEU", 1),
    Measure("ter", "TER", 2, result("ter"), "of the test set, by sacreBLEU; lower is better", -1),
    Measure(
        "bleu_tok_lc",
        "BLEU lc",
        2,
        result("bleu_tok_lc"),
        "BLEU of lower-cased Moses tokens, as reported in older papers",
        1,
    ),
    Measure(
        "loss",
        "loss",
        3,
        result("loss"),
        "of the test set, in nats per target piece, without label smoothing; lower is better",
        -1,
    ),
    *WORDS,
)
DEV = (
    Measure("best_dev_bleu", "dev BLEU", 2, result("best_dev", "bleu"), "the best of training", 1),
    Measure(
        "dev_perplexity",
        "dev ppl",
        2,
        result("tested_weights", "perplexity"),
        "dev perplexity per piece, of the weights that were tested; lower is better",
        -1,
    ),
    Measure(
        "attention_entropy",
        "entropy",
        2,
        result("tested_weights", "entropy"),
        "of source-target attention on dev, in nats, of |w| / Σ|w|; 0: all weight on one piece",
    ),
    Measure(
        "attention_uniform",
        "of equal",
        2,
        result("tested_weights", "uniform"),
        "entropy of equal weights on all pieces: ln S",
    ),
    Measure(
        "attention_largest",
        "largest",
        2,
        result("tested_weights", "largest"),
        "the largest weight of a query of source-target attention on dev",
    ),
    Measure(
        "attention_zeros",
        "zeros",
        2,
        result("tested_weights", "zeros"),
        "share of its weights that are exactly 0, among the keys that a query may see",
    ),
    Measure(
        "attention_end",
        "on </s>",
        2,
        result("tested_weights", "end"),
        "its weight on </s>, the end of the source",
    ),
    Measure(
        "attention_mark",
        "on mark",
        2,
        result("tested_weights", "mark"),
        "its weight on the piece before </s>, most often the final mark",
    ),
    Measure(
        "attention_no_key",
        "no key",
        2,
        result("tested_weights", "no_key"),
        "its weight that no key gets: on the sink, or without one left over; not known for weights "
        "that may sum to more than 1 or be negative",
    ),
    Measure(
        "attention_copied",
        "copied",
        2,
        result("tested_weights", "copied"),
        "mean probability per dev piece that is copied from the source, with model.copy=true",
    ),
    Measure(
        "alignment_error",
        "AER",
        3,
        lambda run: run.alignment.get("aer"),
        "alignment error rate against a gold standard; lower is better",
        -1,
    ),
)
COST = (
    Measure("parameters", "parameters", 0, result("parameters"), "trainable parameters"),
    Measure(
        "tokens_per_s",
        "tokens/s",
        0,
        result("tokens_per_s"),
        "target pieces per second of training",
    ),
    Measure(
        "minutes", "minutes", 1, result("seconds", unit=60), "of training, evaluations included"
    ),
    Measure(
        "sentences_per_s",
        "sent./s",
        1,
        result("sentences_per_s"),
        "sentences translated per second on the test set",
    ),
    Measure(
        "peak_memory_mb",
        "MiB",
        0,
        result("peak_memory_bytes", unit=2**20),
        "peak memory: of the process on a CPU, of torch on a GPU",
    ),
)
MEASURES = (*QUALITY, *DEV, *COST)
TESTED = ("bleu", "chrf", "loss", *WORD_SCORES)  # whose counts runs keep for each sentence
OF_PAIR = "bleu "  # before the name of a pair of languages
SMALL = 10.0  # scores from outside below this have four digits


def measures_outside(found: Sequence[Outside]) -> tuple[Measure, ...]:
    """Return the mean of each score that comes from outside as a measure of a run."""
    return tuple(
        Measure(
            one.name,
            one.name,
            4 if all(abs(values).max() < SMALL for values in one.values.values()) else 2,
            lambda run, one=one: float(one.values[run.folder].mean()),
            f"the mean over sentences, of {one.file.name}",
        )
        for one in found
    )


def is_of_pair(measure: Measure) -> bool:
    """Tell whether a measure is the BLEU of a pair of languages."""
    return measure.name.startswith(OF_PAIR)


def measures_of_pairs(runs: Sequence[Run]) -> tuple[Measure, ...]:
    """Return the BLEU of each pair of languages that runs were tested on, as a measure of a run."""
    names = dict.fromkeys(name for run in runs for name in run.places)
    return tuple(
        Measure(
            f"{OF_PAIR}{name}",
            f"BLEU {name}",
            2,
            result("pairs", name, "bleu"),
            f"of the sentences of {name} in the test set, by sacreBLEU",
            better=1,
        )
        for name in names
    )


def statistic(measure: Measure, variant: Variant) -> Statistic | None:
    """Return mean and standard deviation over the runs that have a measure; None: none has."""
    values = [float(v) for run in variant.runs if (v := measure.read(run)) is not None]
    if not values:
        return None
    deviation = stdev(values) if len(values) > 1 else None
    return Statistic(mean(values), deviation, len(values))
