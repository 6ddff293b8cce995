"""What a corpus offers whose words have been linked by people."""

from typing import NamedTuple, Protocol, runtime_checkable


class AlignedWords(NamedTuple):
    """The words of a split, line by line, and the links between them: (source word, target word).

    Words are counted from 0; marks that nobody linked may be left out of them.
    """

    source: list[list[str]]
    target: list[list[str]]
    links: list[frozenset[tuple[int, int]]]


@runtime_checkable
class Aligned(Protocol):
    """A corpus with a gold standard of word alignment."""

    def aligned(self, split: str) -> AlignedWords | None:
        """The words of the lines that `Corpus.lines` gives; None: this split has no links."""
        ...
