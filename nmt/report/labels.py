"""How pieces are written in pictures: without ▁, words told apart by what begins one."""

from collections.abc import Sequence
from typing import NamedTuple

from nmt.data.language import spaceless
from nmt.report.words import MARK, SPECIAL

SPACE = "␣"  # a piece that is a space alone


class Label(NamedTuple):
    """A piece as it is written."""

    text: str
    begins: bool  # a word: black; else it is grey


def labels(pieces: Sequence[str], language: str = "") -> list[Label]:
    """Return the labels of the pieces of a sentence.

    Every piece begins a word where a language is written without spaces, and where no piece has a
    ▁: those are words. Special pieces such as ``</s>`` begin one too.
    """
    marked = any(piece.startswith(MARK) for piece in pieces)
    if not marked or (language and spaceless(language)):
        return [Label(written(piece), begins=True) for piece in pieces]
    before = ["", *pieces]
    return [
        Label(
            written(piece),
            begins=piece in SPECIAL
            or (piece.startswith(MARK) and piece != MARK)
            or last in ("", MARK, *SPECIAL),
        )
        for last, piece in zip(before, pieces, strict=False)
    ]


def written(piece: str) -> str:
    """Return a piece without the ▁ around it; one of ▁ alone is ␣."""
    return piece.strip(MARK) or (SPACE if piece else "")
