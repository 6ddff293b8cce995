"""Tests a model: translations, scores, and their files."""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from nmt.data.corpus import Lines
from nmt.data.text import one_line
from nmt.decoding.decode import Decode
from nmt.evaluation.likelihood import likelihood, sentence_losses
from nmt.evaluation.pairs import PAIRS, pair_rows, scores_of_pairs
from nmt.evaluation.training_words import FREQUENCIES, TrainingWords
from nmt.evaluation.weights import found, weights_of
from nmt.evaluation.words import DROPPED_WORDS, measure_words
from nmt.metrics.bleu import Scores, score
from nmt.metrics.doubts import warn_of_doubts
from nmt.metrics.words import HEADINGS
from nmt.report.weights import writing
from nmt.run import Translator
from nmt.runs.files import lines_of, write
from nmt.runs.versions import commit, versions
from nmt.stages import part
from nmt.terminal.table import SAMPLES, SCORES, sample_rows, score_rows, table

HYPOTHESES, SOURCES, REFERENCES = "hypotheses.txt", "sources.txt", "references.txt"
LOSSES = "losses.txt"
TEXTS = (HYPOTHESES, SOURCES, REFERENCES, LOSSES, DROPPED_WORDS, FREQUENCIES)  # of a test
PACKAGES = ("nmt", "torch", "sentencepiece", "datasets", "sacrebleu", "sacremoses", "hydra-core")


def evaluate(
    translator: Translator,
    lines: Lines,
    decode: Decode,
    folder: Path,
    known: TrainingWords | None = None,
    weights: Path | None = None,
    of: str = "weights",
    more: Sequence[list[str]] = (),
) -> dict[str, Any]:
    """Translate a test set and score it; return the scores for result.json.

    BLEU, chrF and TER are against the lines' target and ``more`` references, which go into
    ``references-2.txt`` and so on; everything else uses only the first reference.

    ``loss`` is in nats per target piece and without label smoothing, see :func:`sentence_losses`.
    Writes ``hypotheses.txt`` into the folder, and beside it ``sources.txt``, ``references.txt`` and
    ``losses.txt``: line n of each is of sentence n. With ``known``, the words of the training text,
    also the files of :mod:`nmt.evaluation.words`; without them ``drop`` and ``f1_…`` are not
    measured. All attention weights over the sources and their translations, or the measure ``of``,
    go into the file ``weights``.
    """
    started = time.monotonic()
    best = [translations[0] for translations in translator(lines.source, decode)]
    seconds = time.monotonic() - started
    hypotheses = [translation.text for translation in best]
    write_lines(folder / HYPOTHESES, hypotheses)
    write_lines(folder / SOURCES, lines.source)
    write_lines(folder / REFERENCES, lines.target)
    for number, references in enumerate(more, start=2):
        write_lines(folder / more_references(number), references)
    warn_of_doubts(hypotheses, lines.target, translator.target_language)
    part("measuring the loss of the references")
    losses = sentence_losses(translator, lines, decode.batch_tokens)
    write_losses(folder / LOSSES, losses)
    if weights:
        part("writing attention weights")
        rows = zip(lines.source, best, strict=True)
        forced = (
            found(translator, number, *row, decode.max_source)
            for number, row in enumerate(rows, start=1)
        )
        with writing(weights) as write:
            write(weights_of(translator, forced, of))
    part("scoring")
    scores: Scores = score(hypotheses, lines.target, translator.target_language, more)
    languages = translator.source_language, translator.target_language
    pairs = scores_of_pairs(hypotheses, lines, losses)
    return {
        **scores,
        **likelihood(losses),
        **({"pairs": pairs} if pairs else {}),
        **measure_words(known, lines, hypotheses, languages, folder),
        "sentences": len(hypotheses),
        "decode_seconds": round(seconds, 3),
        "sentences_per_s": round(len(hypotheses) / seconds, 2),
        "parameters": sum(p.numel() for p in translator.model.parameters()),
        "device": describe(translator.device),
        "precision": str(translator.precision).removeprefix("torch."),
        "versions": {"python": platform.python_version()} | versions(PACKAGES),
        "commit": commit(),
    }


def more_references(number: int) -> str:
    """Name the file of a further reference, from 2."""
    path = Path(REFERENCES)
    return f"{path.stem}-{number}{path.suffix}"


def show(console: Console, result: dict[str, Any], lines: Lines, folder: Path, num: int) -> None:
    """Print the scores with their signatures, and some translations beside source and reference."""
    hypotheses = lines_of(folder / HYPOTHESES)
    num = min(num, len(lines.source))
    places = [(2 * k + 1) * len(lines.source) // (2 * num) for k in range(num)]
    samples = sample_rows(
        [place + 1 for place in places],
        [lines.source[place] for place in places],
        [hypotheses[place] for place in places],
        [lines.target[place] for place in places],
    )
    console.print(table(SAMPLES, samples))
    console.print(table(SCORES, score_rows(result)))
    if "pairs" in result:
        console.print(table(PAIRS, pair_rows(result["pairs"])))
    console.print(
        f"loss {result['loss']:.3f} nats per target piece, perplexity {result['perplexity']:,.2f}"
    )
    found = [f"{heading} {result[one]:.2f}" for one, heading in HEADINGS.items() if one in result]
    console.print(f"words: {', '.join(found)}", markup=False)


def write_lines(path: Path, lines: list[str]) -> None:
    """Write one sentence per line, see :func:`one_line`."""
    write(path, "".join(f"{one_line(line)}\n" for line in lines))


def write_losses(path: Path, losses: np.ndarray) -> None:
    """Write the loss of each reference, (N,2): nats and pieces, one line per sentence."""
    write(path, "".join(f"{nats!r}\t{int(pieces)}\n" for nats, pieces in losses.tolist()))


def describe(device: torch.device) -> str:
    """Name the hardware, with the threads of a CPU."""
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} threads"
    return hardware(device) + threads


def hardware(device: torch.device) -> str:
    """Name the GPU, or the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
