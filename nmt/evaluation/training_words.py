"""What a test needs of the training text: frequencies of words, and their lexical translations.

A run folder has it in ``words/``: frequencies.tsv, and the lexicons of both directions. So a test
on another machine, without the corpus, returns the same scores.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from datasets import Dataset

from nmt.data.cache import cached
from nmt.data.corpus import tables, texts
from nmt.data.pairs import without_asking
from nmt.errors import UserError
from nmt.links.diagonal import Lexicon
from nmt.metrics.bleu import bleu_tokenizer
from nmt.metrics.words import RARE, words_of_lines
from nmt.runs.files import lines_of, replacing
from nmt.stages import counted, part

FOLDER, FREQUENCIES = "words", "frequencies.tsv"
FORWARD, BACKWARD = "forward.npz", "backward.npz"
FILES = (FREQUENCIES, FORWARD, BACKWARD)
VERSION = 1  # of the method: older entries of the cache are not read
PAIRS = 200_000  # that the lexicons are learned from, evenly spread

Frequencies = dict[str, int]
Languages = tuple[str, str]  # of source and target


class TrainingWords(NamedTuple):
    """Words of the training text.

    ``frequency`` has the target words that occur at least RARE times; the lexicons have lower-cased
    words.
    """

    frequency: Frequencies
    forward: Lexicon
    backward: Lexicon


def keep_training_words(train: Dataset, languages: Languages, cache: Path, run: Path) -> None:
    """Write the words of a training text into a run folder; they are counted once, then cached."""
    name = digest_of(train, languages)
    found = cached(cache / "words" / name, partial(count, train, languages))
    (run / FOLDER).mkdir(exist_ok=True)
    for file in FILES:
        with replacing(run / FOLDER / file) as partly:
            copyfile(found / file, partly)


def digest_of(train: Dataset, languages: Languages) -> str:
    """Return a digest of the text and the languages."""
    found = hashlib.sha256(f"{VERSION} {' '.join(languages)}\n".encode())
    for source, target in map(texts, tables(train)):
        found.update("\n".join([*source, *target, ""]).encode())
    return found.hexdigest()[:32]


def count(train: Dataset, languages: Languages, folder: Path) -> None:
    """Count the words of a text and learn its lexicons."""
    _, target_tokenizer = map(bleu_tokenizer, languages)
    frequency: Counter[str] = Counter()
    for _, target in counted(map(texts, tables(train)), len(train), lambda text: len(text[1])):
        for line in words_of_lines(target, target_tokenizer):
            frequency.update(line)
    often = {word: times for word, times in frequency.items() if times >= RARE}
    write_frequencies(folder / FREQUENCIES, often)
    source, target = zip(*lines_evenly(train), strict=True)
    both = [lower_words(side, code) for side, code in zip((source, target), languages, strict=True)]
    part("learning which words translate each other")
    Lexicon.learn(*both).save(folder / FORWARD)
    part("learning which words translate each other, the other way")
    Lexicon.learn(*reversed(both)).save(folder / BACKWARD)


def lines_evenly(train: Dataset) -> Iterator[tuple[str, str]]:
    """Yield the pairs that lexicons are learned from."""
    every = -(-len(train) // PAIRS)
    start = 0
    for table in tables(train):
        rows = np.arange(-start % every, len(table), every)
        yield from zip(*texts(table.take(rows)), strict=True)
        start += len(table)


def lower_words(lines: Sequence[str], language: str) -> list[list[str]]:
    """Return the words of lines as lexicons have them, without pieces that name a language."""
    texts = (without_asking(line).lower() for line in lines)
    return words_of_lines(texts, bleu_tokenizer(language))


def read_training_words(run: Path) -> TrainingWords | None:
    """Read the words of a run folder; None: it is from an older nmt, which kept none.

    UserError where they cannot be read.
    """
    folder = run / FOLDER
    if not folder.exists():
        return None
    frequency = read_frequencies(folder / FREQUENCIES)
    lexicons: list[Lexicon] = []
    for name in (FORWARD, BACKWARD):
        try:
            lexicons.append(Lexicon.load(folder / name))
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            raise UserError(
                f"{folder / name} cannot be read: {error}. Restore it, or remove {folder}: without "
                "it DROP and F1 by frequency are not measured"
            ) from error
    return TrainingWords(frequency, *lexicons)


def write_frequencies(path: Path, frequency: Frequencies) -> None:
    """Write one word per line, a tab, and its frequency; the most frequent word first."""
    ordered = sorted(frequency.items(), key=lambda item: (-item[1], item[0]))
    with replacing(path) as partly:
        partly.write_text("".join(f"{word}\t{n}\n" for word, n in ordered), encoding="utf-8")


def read_frequencies(path: Path) -> Frequencies:
    """Read the file of :func:`write_frequencies`. UserError, with the line, for any other file."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Restore it, or remove {path.parent}")
    found: Frequencies = {}
    for number, line in enumerate(lines_of(path), 1):
        word, _, times = line.partition("\t")
        if not line and number == 1:
            break  # no word is that frequent
        if not word or not times.isdecimal():
            raise UserError(f"{path}, line {number}: is not a word, a tab and a number: {line!r}")
        found[word] = int(times)
    return found
