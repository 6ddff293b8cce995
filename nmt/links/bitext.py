"""Sentence pairs to align: the text a model reads, the words that are linked, the gold links."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from sacremoses import MosesDetokenizer

from nmt.data.aligned import AlignedWords
from nmt.data.corpus import Lines
from nmt.data.language import primary
from nmt.data.lines import read_lines
from nmt.data.pairs import without_asking
from nmt.errors import UserError
from nmt.links.links import Gold, Size, flip_gold, read_links, sure_only
from nmt.links.words import NOWHERE, split_words, word_of_characters, words_of


class Side(NamedTuple):
    """One language of a bitext."""

    language: str
    lines: list[str]  # what a model reads; the piece that asks for a language is of no word
    words: list[list[str]]  # what is linked
    name: str  # where the words come from, for messages

    def word_of(self, number: int) -> list[int]:
        """Return the word of each character of a line; see :func:`word_of_characters`."""
        place = f"{self.name}, line {number + 1}"
        line = self.lines[number]
        text = without_asking(line)
        found = word_of_characters(text, self.words[number], place)
        return [NOWHERE] * (len(line) - len(text)) + found

    def without_asking(self) -> Self:
        """Return the side without the pieces that ask for a language."""
        return self._replace(lines=[without_asking(line) for line in self.lines])


class Bitext(NamedTuple):
    """Lines, words and links of two sides, line n of all belonging together."""

    source: Side
    target: Side
    gold: list[Gold] | None = None

    def flipped(self) -> "Bitext":
        """Return the same with source and target exchanged."""
        gold = self.gold and [flip_gold(one) for one in self.gold]
        return Bitext(self.target, self.source, gold)


@dataclass
class BitextFiles:
    """Files of one text, one sentence per line; any may be compressed."""

    source: str | None = None  # what the model reads
    target: str | None = None  # what it is forced to write
    # The same sentences as words between ASCII spaces; null: the words that the text itself has
    source_words: str | None = None
    target_words: str | None = None  # likewise
    gold: str | None = None  # links, see nmt.links.links
    gold_base: int = 1  # the number of the first word there: 1 in the shared tasks' format, else 0
    gold_flipped: bool = False  # a link there is target word - source word
    detokenize: bool = False  # source and target are words, which the model reads as raw text


def side_of(lines: Sequence[str], language: str, name: str) -> Side:
    """Return a side with the words that its lines themselves have."""
    texts = [without_asking(line) for line in lines]
    return Side(language, list(lines), words_of(texts, language), name)


def with_words(side: Side, key: str, path: str | None) -> Side:
    """Return the side with the words of a file, where there is one."""
    if path is None:
        return side
    words = [split_words(line) for line in read_lines(Path(path))]
    if len(words) != len(side.lines):
        raise UserError(
            f"{key}={path} has {len(words):,} lines, but the text has {len(side.lines):,}: line "
            "n of both must be the same sentence"
        )
    return side._replace(words=words, name=path)


def read_side(path: str, language: str, detokenize: bool) -> Side:
    """Read a side from a file of text, or of words, whose text a detokenizer makes."""
    lines = read_lines(Path(path))
    if not detokenize:
        return side_of(lines, language, path)
    words = [split_words(line) for line in lines]
    detokenizer = MosesDetokenizer(primary(language))
    return Side(language, [detokenizer.detokenize(line) for line in words], words, path)


def with_gold(text: Bitext, files: BitextFiles) -> Bitext:
    """Return the bitext with the links of a file, where there is one."""
    if files.gold is None:
        return text
    read = text.flipped() if files.gold_flipped else text
    sizes: list[Size] = [
        (len(source), len(target))
        for source, target in zip(read.source.words, read.target.words, strict=True)
    ]
    read = read._replace(gold=read_links(Path(files.gold), files.gold_base, sizes))
    return read.flipped() if files.gold_flipped else read


def of_lines(lines: Lines, languages: tuple[str, str], name: str) -> Bitext:
    """Return a bitext of a corpus's lines."""
    source, target = languages
    return Bitext(side_of(lines.source, source, name), side_of(lines.target, target, name))


def with_aligned(text: Bitext, aligned: AlignedWords) -> Bitext:
    """Return the bitext with the words that people linked, and their links."""
    source, target, links = aligned
    gold = [sure_only(one) for one in links]
    return Bitext(text.source._replace(words=source), text.target._replace(words=target), gold)
