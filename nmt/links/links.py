"""Word links: which word of a source translates which word of its target, and their files.

A line of a file has the links of one sentence pair, between spaces: ``i-j`` is a link of source
word i and target word j. Pharaoh format counts words from 0 and has no other links. Gold standards
count from 1 in the format of the shared tasks, where ``ipj`` is a possible link (Mihalcea and
Pedersen 2003).
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.data.lines import read_lines
from nmt.errors import UserError

Links = frozenset[tuple[int, int]]  # (source word, target word), counted from 0
Size = tuple[int, int]  # the numbers of a sentence pair's words

LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")
NONE: Links = frozenset()


class Gold(NamedTuple):
    """The links that people gave a sentence pair."""

    sure: Links
    possible: Links  # includes the sure ones


def sure_only(links: Links) -> Gold:
    """Return a gold standard whose links are all sure."""
    return Gold(links, links)


def flip(links: Links) -> Links:
    """Return the links of the same pair with source and target exchanged."""
    return frozenset((j, i) for i, j in links)


def flip_gold(gold: Gold) -> Gold:
    """Return the gold links of the same pair with source and target exchanged."""
    return Gold(flip(gold.sure), flip(gold.possible))


def pharaoh(links: Links) -> str:
    """Return a line in Pharaoh format, ordered by target word."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links, key=by_target))


def by_target(link: tuple[int, int]) -> tuple[int, int]:
    """Order links as Moses walks over them: by target word, then by source word."""
    return link[1], link[0]


def written(sentences: Iterable[Links]) -> str:
    """Return the content of a file in Pharaoh format."""
    return "".join(f"{pharaoh(links)}\n" for links in sentences)


def read_links(path: Path, base: int, sizes: Sequence[Size] | None = None) -> list[Gold]:
    """Read a file of links whose words are counted from ``base``, one sentence pair per line.

    UserError, with file and line, for what is no link, for a word before ``base``, and, where the
    numbers of words are known (``sizes``), for a word that the sentence does not have and for a
    file with another number of lines.
    """
    lines = read_lines(path)
    if sizes is not None and len(lines) != len(sizes):
        raise UserError(
            f"{path} has the links of {len(lines):,} sentence pairs, but the text has "
            f"{len(sizes):,}: line n of both must belong together"
        )
    found: list[Gold] = []
    for number, line in enumerate(lines):
        size = None if sizes is None else sizes[number]
        found.append(read_line(line, f"{path}, line {number + 1}", base, size))
    return found


def read_line(line: str, place: str, base: int, size: Size | None) -> Gold:
    """Read the links of one sentence pair; ``place`` is where the line stands."""
    sure: set[tuple[int, int]] = set()
    possible: set[tuple[int, int]] = set()
    for word in line.split():
        match = LINK.fullmatch(word)
        if not match:
            raise UserError(
                f"{place}: {word!r} is not an alignment link; write a link as "
                f"{base}-{base + 1}, and a possible one as {base}p{base + 1}"
            )
        link = int(match[1]) - base, int(match[3]) - base
        check_link(link, f"{place}: link {word}", base, size)
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return Gold(frozenset(sure), frozenset(possible))


def check_link(link: tuple[int, int], place: str, base: int, size: Size | None) -> None:
    """Raise UserError for a word outside its sentence."""
    if min(link) < 0:
        raise UserError(f"{place} has word 0, but words are counted from {base} here")
    if size is None:
        return
    for side, word, length in zip(("source", "target"), link, size, strict=True):
        if word >= length:
            raise UserError(
                f"{place} has {side} word {word + base}, but the {side} has {length} words, "
                f"counted from {base}"
            )
