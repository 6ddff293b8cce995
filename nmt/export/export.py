"""A trained model written as a folder for another program, and held against the original."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import inf
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from nmt.config.settings import Setting, settings
from nmt.data.tokenizer import EOS, Tokenizer
from nmt.errors import UserError, one_of
from nmt.evaluation.score import score_ids
from nmt.export import ctranslate2, huggingface
from nmt.export.card import write_card
from nmt.export.original import Original
from nmt.models.seq2seq import Seq2Seq
from nmt.run import Translator, open_run

QUANTIZATIONS = ctranslate2.QUANTIZATIONS
LARGEST = 1e-3  # nats that a piece may differ by, where weights are float32; rounding gives 1e-5
LENGTHS = (1, 2, 3, 5, 8, 13, 21, 34)  # pieces of the random sentences that are compared
Pieces = list[list[int]]


class Target(NamedTuple):
    """A program that models are exported for."""

    package: str
    requirement: str
    quantizations: tuple[str, ...]
    misfits: Callable[[Mapping[str, Setting], Seq2Seq], list[str]]
    save: Callable[[Original, Path, str], None]
    log_ps: Callable[[Path, Sequence[list[int]], Sequence[list[int]]], list[np.ndarray]]


TARGETS = {
    "ctranslate2": Target(
        *("ctranslate2", "ctranslate2>=4.8,<5", QUANTIZATIONS),
        *(ctranslate2.misfits, ctranslate2.save, ctranslate2.log_ps),
    ),
    "huggingface": Target(
        *("transformers", "transformers>=5.24,<6", ("float32",)),
        *(huggingface.misfits, huggingface.save, huggingface.log_ps),
    ),
}


class Exported(NamedTuple):
    """What was written."""

    folder: Path
    difference: float  # nats, the largest by which ln P of a piece differs from the original


def export(run: Path, to: str, output: Path | None, quantization: str = "float32") -> Exported:
    """Write the model of a run for one of TARGETS into a folder, which appears when it is whole.

    ``output`` None: a folder of that name in the run folder, with the quantization behind it where
    that is not float32. The exported model and the original are compared on random sentences.
    UserError for what the target cannot express, by name; for a package that is not installed, for
    a folder that is there, and where both models differ.
    """
    one_of(tuple(TARGETS), {"to": to})
    target = TARGETS[to]
    one_of(target.quantizations, {f"to={to} quantization": quantization})
    if find_spec(target.package) is None:
        raise UserError(
            f"to={to} needs the PyPI package {target.package}, which is not installed: "
            f"pip install '{target.requirement}'"
        )
    original = Original.of(run, open_run(run, "cpu", "fp32"))
    reasons = target.misfits(settings(original.config), original.translator.model)
    if reasons:
        raise UserError(f"{run} cannot be exported to {to}: {'; '.join(reasons)}")
    suffix = "" if quantization == "float32" else f"-{quantization}"
    with new_folder(output or run / f"{to}{suffix}") as (folder, partial):
        target.save(original, partial, quantization)
        probes = random_pieces(original.translator)
        found = target.log_ps(partial, *probes)
        difference = largest(score_ids(original.translator, *probes), found)
        if not difference <= (LARGEST if quantization == "float32" else inf):  # nan, too
            raise UserError(
                f"what {target.package} computes differs from the model by {difference:.2g} nats "
                f"in a piece, so nothing was written. Tried and right was {target.requirement}; "
                "please report it"
            )
        write_card(original, partial, to, quantization, difference)
    return Exported(folder, difference)


@contextmanager
def new_folder(output: Path) -> Iterator[tuple[Path, Path]]:
    """Give a folder's name, and one beside it to be filled, which is called so when it is whole.

    UserError for a folder that holds something, and where none can be made.
    """
    if not output.name:
        raise UserError(f"output={output} is the folder that you are in: name a new one")
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"output={output} is there already: remove it, or name another folder")
    partial = output.with_name(f"{output.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"output={output} cannot be made: {error.strerror}") from error
    try:
        yield output, partial
        partial.replace(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def random_pieces(translator: Translator) -> tuple[Pieces, Pieces]:
    """Return sources and targets of random pieces, the same for the same vocabularies."""
    random = Random(1)

    def drawn(tokenizer: Tokenizer, length: int) -> list[int]:
        return [random.randrange(EOS + 1, len(tokenizer)) for _ in range(length)]

    sources = [drawn(translator.source_tokenizer, length) for length in LENGTHS]
    targets = [drawn(translator.target_tokenizer, length) for length in reversed(LENGTHS)]
    return sources, targets


def largest(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Return the largest difference between numbers; nan if there is one."""
    both = zip(ours, theirs, strict=True)
    return float(np.max([np.abs(one - other).max() for one, other in both]))
