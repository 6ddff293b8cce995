"""What a corpus offers if people have linked its words."""

from typing import NamedTuple, Protocol, runtime_checkable


class AlignedWords(NamedTuple):
    """The words of a split, line by line, and the links between them: (source word, target word).

    Words are counted from 0; punctuation that nobody linked may be left out.
    """

    source: list[list[str]]
    target: list[list[str]]
    links: list[frozenset[tuple[int, int]]]


@runtime_checkable
class Aligned(Protocol):
    """A corpus with a gold standard of word alignment."""

    def aligned(self, split: str) -> AlignedWords | None:
        """The words of the lines that `Corpus.lines` returns; None: this split has no links."""
        ...
