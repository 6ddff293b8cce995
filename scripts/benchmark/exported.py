"""Hold the exports of a run against the original: the same translations? how fast?

    python scripts/benchmark/exported.py RUN [--sentences 1000] [--rounds 3 --timed 300]
        [--fill docs/export.md]

Exports a run to CTranslate2, in float32 and int8, and to transformers, and translates the first
sentences of its test set with each, greedily and by a beam of 5. The length penalty is off: it is
the part of beam search that all have in another form. Scores are forced: ln P of the run's own
greedy translations. Speed is from text to text, all in turn, `--rounds` times; medians count, and
the spread between the rounds of a variant is the noise of the machine. `--sentences 0` leaves the
agreement out and `--rounds 0` the speed, so that only speed needs a quiet machine.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from page import fill
from rich.console import Console
from rounds import Rounds, Variant

from nmt.decoding.decode import Decode
from nmt.evaluation.evaluate import REFERENCES, SOURCES
from nmt.evaluation.score import score_ids
from nmt.export.export import TARGETS, export
from nmt.hardware.process import prepare_process
from nmt.hardware.runtime import pick_device, pick_precision
from nmt.metrics.bleu import bleu_and_chrf
from nmt.run import Translator, open_run
from nmt.runs.files import lines_of, write_json
from nmt.terminal.table import markdown, table

BATCH = 64  # sentences
LONGEST = 100  # pieces of a translation; a trained model ends long before
BEAMS = (1, 5)
Translate = Callable[[list[str], int], list[str]]  # lines and the width of the beam


class Program(NamedTuple):
    """A program that translates with the model of the run."""

    name: str
    precision: str
    translate: Translate
    folder: Path | None = None  # of the export
    target: str = ""


def main() -> None:
    """Compare, measure, print and write."""
    given = arguments()
    console = Console(file=sys.stderr, width=120, highlight=False)
    torch.set_num_threads(given.threads)
    original = open_run(given.run, "cpu", "fp32")
    sources, references = (lines_of(given.run / name) for name in (SOURCES, REFERENCES))
    some = given.sentences
    with TemporaryDirectory() as place:
        programs = programs_of(given.run, original, Path(place), given.targets, given.threads)
        texts = sources[:some], references[:some]
        agreement = list(agreements(original, programs, *texts, console)) if some else []
        speed = measured(programs, sources[: given.timed], given.rounds, console)
    header = "program", "weights", "greedy the same", "beam 5 the same", "of these more probable"
    header += "largest Δ ln P of a sentence", "BLEU, beam 5"
    rates = speed.header("sentences/s")
    console.print(table(header, agreement, title="agreement"))
    console.print(table(rates, speed.rows(), title="speed"))
    if given.fill and some:
        fill(given.fill, "agreement", markdown(header, agreement))
    if given.fill and given.rounds:
        fill(given.fill, "speed", markdown(rates, speed.rows()) + f"\n\n{speed.noise()}")
    if given.output:
        rows = [dict(zip(header, row, strict=True)) for row in agreement]
        write_json(given.output, {"agreement": rows, "speed": speed.figures()})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the run folder of a Transformer with a test")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--sentences", type=int, default=1000, help="to compare; 0: none")
    parser.add_argument("--rounds", type=int, default=3, help="of speed; 0: none")
    parser.add_argument("--timed", type=int, default=300, help="sentences of a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--fill", type=Path, help="a page with places for both tables")
    parser.add_argument("--output", type=Path, help="all figures as JSON")
    return parser.parse_args()


def programs_of(
    run: Path, original: Translator, place: Path, targets: list[str], threads: int
) -> list[Program]:
    """Export a run; return the original first, then what was made of it.

    In bf16 the original is a program of its own, where the processor multiplies it.
    """
    found = [Program("nmt", "float32", partial(by_nmt, original))]
    dtype = pick_precision("auto", pick_device("cpu"))
    if dtype != torch.float32:
        other = open_run(run, "cpu", "auto")
        found.append(Program("nmt", "bf16", partial(by_nmt, other)))
    if "ctranslate2" in targets:
        for quantization in TARGETS["ctranslate2"].quantizations:
            folder = export(run, "ctranslate2", place / quantization, quantization).folder
            translate = by_ctranslate2(folder, original, threads)
            found.append(Program("CTranslate2", quantization, translate, folder, "ctranslate2"))
    if "huggingface" in targets:
        folder = export(run, "huggingface", place / "huggingface").folder
        translate = by_transformers(folder)
        found.append(Program("transformers", "float32", translate, folder, "huggingface"))
    return found


def by_nmt(translator: Translator, lines: list[str], beam: int) -> list[str]:
    """Translate as `nmt translate` does."""
    decode = Decode(
        beam=beam, length_penalty=0.0, max_ratio=0.0, max_extra=LONGEST, batch_size=BATCH
    )
    return [best.text for (best, *_) in translator(lines, decode)]


def by_ctranslate2(folder: Path, original: Translator, threads: int) -> Translate:
    """Return what translates with a folder of CTranslate2: one model, so many threads."""
    from ctranslate2 import Translator as Exported

    model: Any = Exported(str(folder), intra_threads=threads)
    source, target = original.source_tokenizer, original.target_tokenizer

    def translate(lines: list[str], beam: int) -> list[str]:
        found = model.translate_batch(
            [source.pieces(line) for line in source.encode(lines)],
            max_batch_size=BATCH,
            beam_size=beam,
            length_penalty=0.0,
            max_decoding_length=LONGEST,
            suppress_sequences=[["<pad>"], ["<s>"]],
        )
        return [target.processor.decode(one.hypotheses[0]) for one in found]

    return translate


def by_transformers(folder: Path) -> Translate:
    """Return what translates with `generate`, by batches of like length as the others do."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    import nmt.hf  # noqa: F401

    logging.disable_progress_bar()
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def translate(lines: list[str], beam: int) -> list[str]:
        found = [""] * len(lines)
        order = sorted(range(len(lines)), key=lambda row: len(lines[row]))
        settings = {"length_penalty": 0.0} if beam > 1 else {}
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer([lines[row] for row in rows], padding=True, return_tensors="pt")
            ids = model.generate(**batch, num_beams=beam, max_new_tokens=LONGEST, **settings)
            texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
            for row, text in zip(rows, texts, strict=True):
                found[row] = text
        return found

    return translate


def agreements(
    original: Translator,
    programs: list[Program],
    sources: list[str],
    references: list[str],
    console: Console,
) -> Any:
    """Yield a row for each program: how many translations are those of the first one.

    Of beams that found something else, how many found what the model finds more probable: then the
    difference is in the search, and not in the model.
    """
    first = programs[0]
    wanted = {beam: first.translate(sources, beam) for beam in BEAMS}
    source = original.source_tokenizer.encode(sources)
    target = original.target_tokenizer.encode(wanted[1])
    ours = score_ids(original, source, target)
    for one in programs:
        console.print(f"comparing {one.name}, {one.precision}", markup=False)
        found = wanted if one is first else {b: one.translate(sources, b) for b in BEAMS}
        same = [
            sum(a == b for a, b in zip(found[beam], wanted[beam], strict=True)) for beam in BEAMS
        ]
        better = more_probable(original, source, found[5], wanted[5])
        far: float | str = ""
        if one.folder:
            theirs = TARGETS[one.target].log_ps(one.folder, source, target)
            far = f"{max(abs((a - b).sum()) for a, b in zip(ours, theirs, strict=True)):.1e}"
        score = bleu_and_chrf(found[5], references, original.target_language)["bleu"]
        shares = (f"{number / len(sources):.1%}" for number in same)
        yield (one.name, one.precision, *shares, better, far, f"{score:.2f}")


def more_probable(
    original: Translator, source: list[list[int]], found: list[str], wanted: list[str]
) -> str:
    """Say how many of the other translations have a higher ln P than the wanted ones."""
    rows = [row for row, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
    if not rows:
        return ""
    log_p = [
        np.array(
            [
                one.sum()
                for one in score_ids(
                    original,
                    [source[row] for row in rows],
                    original.target_tokenizer.encode([texts[row] for row in rows]),
                )
            ]
        )
        for texts in (found, wanted)
    ]
    return f"{int((log_p[0] > log_p[1]).sum())} of {len(rows)}"


def measured(programs: list[Program], sources: list[str], rounds: int, console: Console) -> Rounds:
    """Translate with all programs in turn and return sentences per second."""
    found = Rounds()
    for number in range(rounds):
        for beam in BEAMS:
            for one in programs:
                console.print(f"round {number + 1}: {one.name}, {one.precision}, beam {beam}")
                begun = perf_counter()
                one.translate(sources, beam)
                rate = len(sources) / (perf_counter() - begun)
                found.add(Variant(f"beam {beam}", one.name, one.precision), rate)
    return found


if __name__ == "__main__":
    prepare_process()
    main()
