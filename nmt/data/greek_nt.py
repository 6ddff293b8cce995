"""The Greek New Testament with an English translation, word by word linked by people.

The PyPI package `bible_alignments` carries the SBL Greek New Testament, the Berean Standard Bible
and the links between their words (Clear Bible, Inc., CC BY 4.0; corrected by hand). Its three files
are read; nothing of the package's code is imported.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nmt.data.aligned import AlignedWords
from nmt.data.chapters import held_out
from nmt.data.corpus import Corpus, Splits, pairs
from nmt.data.lines import read_bytes, read_lines
from nmt.errors import UserError, at_least

GREEK, ENGLISH = "grc", "en"
PACKAGE = "bible-alignments==0.4.2"
INSTALL = f"pip install --no-deps --ignore-requires-python {PACKAGE}"  # its files are enough
GREEK_FILE = "data/sources/SBLGNT.tsv"
ENGLISH_FILE = "data/eng/targets/BSB/nt_BSB.tsv"
LINKS_FILE = "data/eng/alignments/BSB/SBLGNT-BSB-manual.json"
CHAPTER = slice(0, 5)  # of a verse's number: two digits for the book, three for the chapter


class Word(NamedTuple):
    """A word or a mark of one side."""

    name: str  # in the file of links
    verse: str
    text: str
    glued: bool = False  # to what follows
    mark: bool = False  # a mark, which is never linked


class Verse(NamedTuple):
    """A verse with its words and their links, counted from 0 in the words that are no marks."""

    chapter: str
    texts: tuple[str, str]  # Greek, English
    words: tuple[list[str], list[str]]
    links: frozenset[tuple[int, int]]


@dataclass
class GreekNt(Corpus):
    """7,900 verses; dev and test are whole chapters."""

    source: str = GREEK  # language code: grc or en
    target: str = ENGLISH  # language code
    dev_chapters: int = 10  # of 260; a chapter has 30 verses on average
    test_chapters: int = 20  # of 260
    split_seed: int = 1  # of the choice of chapters

    def content(self) -> object:
        held = {"data.dev_chapters": self.dev_chapters, "data.test_chapters": self.test_chapters}
        at_least(0, held)
        if {self.source, self.target} != {GREEK, ENGLISH}:
            raise UserError(
                f"data.source={self.source} data.target={self.target}: greek_nt has {GREEK} and "
                f"{ENGLISH}, in either direction"
            )
        return [self.dev_chapters, self.test_chapters, self.split_seed]

    def paths(self) -> list[Path]:
        return [package_file(name) for name in (GREEK_FILE, ENGLISH_FILE, LINKS_FILE)]

    def read(self, scratch: Path) -> Splits:
        def sides(verses: list[Verse]) -> tuple[list[str], list[str]]:
            greek, english = ([verse.texts[side] for verse in verses] for side in (0, 1))
            return (greek, english) if self.source == GREEK else (english, greek)

        found = {name: pairs(*sides(verses)) for name, verses in self._splits.items() if verses}
        return Splits(**found)

    def aligned(self, split: str) -> AlignedWords:
        """The words of the verses of a split and their links."""
        verses = self._splits[split]
        greek, english = ([verse.words[side] for verse in verses] for side in (0, 1))
        links = [verse.links for verse in verses]
        if self.source == GREEK:
            return AlignedWords(greek, english, links)
        return AlignedWords(english, greek, [frozenset((j, i) for i, j in one) for one in links])

    @cached_property
    def _splits(self) -> dict[str, list[Verse]]:
        verses = list(read_verses())
        chapters = (verse.chapter for verse in verses)
        split = held_out(chapters, self.dev_chapters, self.test_chapters, self.split_seed)
        found: dict[str, list[Verse]] = {"train": [], "dev": [], "test": []}
        for verse in verses:
            found[split[verse.chapter]].append(verse)
        return found


def package_file(name: str) -> Path:
    """A file of the installed package, found without importing it. UserError if it is missing."""
    try:
        path = Path(str(distribution("bible_alignments").locate_file(name)))
    except PackageNotFoundError:
        raise UserError(
            f"data=greek_nt reads the PyPI package {PACKAGE}, which is not installed: {INSTALL}"
        ) from None
    if not path.is_file():
        raise UserError(f"{path} is missing: {INSTALL} --force-reinstall")
    return path


def read_verses() -> Iterator[Verse]:
    """Yields the verses that both sides have, in order, without links to other verses."""
    greek = {verse: list(words) for verse, words in groupby(greek_words(), verse_of)}
    english = {verse: list(words) for verse, words in groupby(english_words(), verse_of)}
    links = read_links()
    for verse, greek_side in greek.items():
        english_side = [word for word in english.get(verse, ()) if not word.mark]
        if not english_side:
            continue
        place = {word.name: j for j, word in enumerate(english_side)}
        linked = (
            (i, place[name])
            for i, word in enumerate(greek_side)
            for name in links.get(word.name, ())
            if name in place
        )
        yield Verse(
            verse[CHAPTER],
            (text(greek_side), text(english[verse])),
            ([word.text for word in greek_side], [word.text for word in english_side]),
            frozenset(linked),
        )


def verse_of(word: Word) -> str:
    """The verse that a word belongs to."""
    return word.verse


def greek_words() -> Iterator[Word]:
    """The words of the Greek file, which has no marks."""
    for cells in rows(GREEK_FILE):
        yield Word(cells[0], cells[0][1:9], cells[2])


def english_words() -> Iterator[Word]:
    """The words and marks of the English file."""
    for name, verse, word, glued, mark, *_ in rows(ENGLISH_FILE):
        yield Word(name, verse, word, glued == "y", mark == "y")


def rows(name: str) -> Iterator[list[str]]:
    """The cells of each line of a table, without its header."""
    for line in read_lines(package_file(name))[1:]:
        yield line.split("\t")


def read_links() -> dict[str, list[str]]:
    """The names of the English words of each Greek word. A record links all of its words."""
    found: dict[str, list[str]] = {}
    for record in json.loads(read_bytes(package_file(LINKS_FILE)))["records"]:
        for name in record["source"]:
            found.setdefault(name, []).extend(record["target"])
    return found


def text(words: list[Word]) -> str:
    """Words and marks as they are printed."""
    return "".join(word.text + ("" if word.glued else " ") for word in words).rstrip(" ")
