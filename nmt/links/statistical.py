"""The yardstick: eflomal, a statistical aligner (Östling and Tiedemann 2016)."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from nmt.data.cache import cached, digest
from nmt.data.corpus import Lines
from nmt.data.pairs import without_asking
from nmt.errors import UserError
from nmt.links.bitext import Bitext, Side
from nmt.links.links import Links, read_links
from nmt.links.words import NOWHERE, split_words, tokenized, word_of_characters


def require_eflomal() -> None:
    """Raise UserError where it is not installed."""
    if find_spec("eflomal") is None:
        raise UserError(
            "the statistical aligner is the PyPI package eflomal, which is not installed: "
            "pip install eflomal==2.0.0 (it is compiled from C: it needs a compiler and make)"
        )


def statistical_links(train: Lines, text: Bitext, cache: Path) -> tuple[list[Links], list[Links]]:
    """Learn from a training text and this one; return the links of this one, in both directions.

    The aligner gets tokens as BLEU counts them (nmt.metrics.bleu), lower-cased; two words of
    the text are linked where any of their tokens are. It draws at random, from no seed; what it
    found stays in the cache, so the same text has the same links again. It reads no pieces that ask
    for a language, and of a training text of several pairs that of this one, if it is one of them.
    """
    text = text._replace(source=text.source.without_asking())
    train = of_pair(train, f"{text.source.language}-{text.target.language}")
    source, target = tokens(text.source), tokens(text.target)
    both = (
        tokenized(train.source, text.source.language) + [" ".join(line) for line in source],
        tokenized(train.target, text.target.language) + [" ".join(line) for line in target],
    )
    source_words = [words_of_tokens(text.source, n, line) for n, line in enumerate(source)]
    target_words = [words_of_tokens(text.target, n, line) for n, line in enumerate(target)]

    def to_words(token_links: list[Links]) -> list[Links]:
        return [
            frozenset((i, j) for s, t in links for i in source_of[s] for j in target_of[t])
            for links, source_of, target_of in zip(
                token_links, source_words, target_words, strict=True
            )
        ]

    forward, backward = (links[-len(source) :] for links in eflomal(*both, cache))
    return to_words(forward), to_words(backward)


def of_pair(train: Lines, name: str) -> Lines:
    """Return the lines of a pair of languages, if they are marked, without what asks for one."""
    place = train.pairs.get(name, range(len(train.source)))
    rows = slice(place.start, place.stop)
    return Lines([without_asking(line) for line in train.source[rows]], train.target[rows])


def tokens(side: Side) -> list[list[str]]:
    """Return the tokens of each line."""
    return [split_words(line) for line in tokenized(side.lines, side.language)]


def words_of_tokens(side: Side, number: int, line: Sequence[str]) -> list[set[int]]:
    """Return the words that share characters with each token of a line."""
    place = f"{side.name}, line {number + 1}"
    token_of = word_of_characters(side.lines[number], line, place)
    found: list[set[int]] = [set() for _ in line]
    for token, word in zip(token_of, side.word_of(number), strict=True):
        if NOWHERE not in (token, word):
            found[token].add(word)
    return found


def eflomal(source: list[str], target: list[str], cache: Path) -> tuple[list[Links], list[Links]]:
    """Align lines of tokens, once: links by target token, and links by source token."""
    name = digest(source, target, version("eflomal"))
    folder = cached(cache / "links" / name, partial(align, source, target))
    forward, backward = (
        [gold.sure for gold in read_links(folder / way, base=0)] for way in ("forward", "backward")
    )
    return forward, backward


def align(source: list[str], target: list[str], folder: Path) -> None:
    """Let eflomal write the links of both directions into a folder, in Pharaoh format."""
    import_module("eflomal").Aligner().align(
        [visible(line) for line in source],
        [visible(line) for line in target],
        links_filename_fwd=str(folder / "forward"),
        links_filename_rev=str(folder / "backward"),
    )


def visible(line: str) -> str:
    """Return a line with _ for white space in its tokens, at which eflomal would split them."""
    tokens = line.split(" ")
    return " ".join("_".join(token.split()) or "_" * len(token) for token in tokens)
