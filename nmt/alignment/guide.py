"""Where the links come from that guide attention in training: people, a file, or eflomal."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset

from nmt.alignment.load import load
from nmt.batches.guide import Guide
from nmt.data.corpus import BLOCK, Corpus, Lines
from nmt.data.prepare import Prepared
from nmt.data.tokenizer import Tokenizer
from nmt.errors import UserError, above_zero, at_least, one_of
from nmt.links.bitext import Bitext, BitextFiles, Side, of_lines
from nmt.links.links import Links, sure_only
from nmt.links.statistical import require_eflomal, statistical_links
from nmt.links.symmetrize import SYMMETRIZATIONS
from nmt.links.words import words_of_pieces


class LinkSource(ABC):
    """Links for train, and which attention learns them; see :class:`nmt.training.guided.Guided`.

    Args:
        weight: λ, what the links count beside the translations.
        layer: of source-target attention, a number from 1; null: the last but one (Garg et al.
            2019, section 4.2), or the only one.
        head: a number from 1; null: the mean of all heads.
        shift: the links of a piece are learned where it is read, one step after it is predicted.
    """

    def __init__(self, weight: float, layer: int | None, head: int | None, shift: bool) -> None:
        above_zero({"guide.weight": weight})
        at_least(1, {"guide.layer": layer, "guide.head": head})
        self.weight = weight
        self.layer = layer
        self.head = head
        self.shift = shift

    @abstractmethod
    def linked(self, corpus: Corpus, train: Dataset, cache: Path) -> Bitext:
        """Return text with links that has all lines of ``train``, in any order, and maybe more."""

    def guide(self, corpus: Corpus, prepared: Prepared, cache: Path) -> Guide:
        """Return the links of all lines of train, in pieces. UserError where there are none."""
        text = self.linked(corpus, prepared.train, cache)
        both = zip(text.source.lines, text.target.lines, strict=True)
        number = {pair: n for n, pair in enumerate(both)}
        sides = zip(prepared.train["source"], prepared.train["target"], strict=True)
        return in_pieces(chosen(text, [number[pair] for pair in sides]), prepared)


class CorpusLinks(LinkSource):
    """The links that people gave the corpus."""

    def linked(self, corpus: Corpus, train: Dataset, cache: Path) -> Bitext:
        text = train_text(BitextFiles(), corpus, cache)
        if text.gold is None:
            raise UserError(
                "guide=gold: this corpus has no gold links for train. Use data=greek_nt, or "
                "guide=statistical, or guide=file guide.path=FILE"
            )
        return text


class FileLinks(LinkSource):
    """The links of a file in Pharaoh format: line n is of line n of the corpus's train split.

    ``base`` is the number of the first word. Words are what stands between spaces, see
    :func:`nmt.links.words.words_of`.
    """

    def __init__(
        self,
        path: str,
        base: int,
        weight: float,
        layer: int | None,
        head: int | None,
        shift: bool,
    ) -> None:
        super().__init__(weight, layer, head, shift)
        self.files = BitextFiles(gold=path, gold_base=base)

    def linked(self, corpus: Corpus, train: Dataset, cache: Path) -> Bitext:
        return train_text(self.files, corpus, cache)


class StatisticalLinks(LinkSource):
    """The links that eflomal finds in train, symmetrized."""

    def __init__(
        self, symmetrize: str, weight: float, layer: int | None, head: int | None, shift: bool
    ) -> None:
        super().__init__(weight, layer, head, shift)
        one_of(tuple(SYMMETRIZATIONS), {"guide.symmetrize": symmetrize})
        require_eflomal()
        self.symmetrize = SYMMETRIZATIONS[symmetrize]

    def linked(self, corpus: Corpus, train: Dataset, cache: Path) -> Bitext:
        lines = Lines(list(train["source"]), list(train["target"]))
        text = of_lines(lines, (corpus.source, corpus.target), "the corpus's train split")
        found = statistical_links(Lines([], []), text, cache)
        links = [self.symmetrize(*both) for both in zip(*found, strict=True)]
        return text._replace(gold=[sure_only(one) for one in links])


def train_text(files: BitextFiles, corpus: Corpus, cache: Path) -> Bitext:
    """Return the train split as the corpus has it, before cleaning, with links if there are any."""
    return load(files, corpus, "train", cache, (corpus.source, corpus.target))


def chosen(text: Bitext, rows: list[int]) -> Bitext:
    """Return some lines of a text with links, in this order."""
    assert text.gold is not None
    source, target = (
        side._replace(lines=[side.lines[n] for n in rows], words=[side.words[n] for n in rows])
        for side in (text.source, text.target)
    )
    return Bitext(source, target, [text.gold[n] for n in rows])


def in_pieces(text: Bitext, prepared: Prepared) -> Guide:
    """Link all pieces of two linked words with each other."""
    assert text.gold is not None
    source = pieces_of_words(prepared.source_tokenizer, text.source)
    target = pieces_of_words(prepared.target_tokenizer, text.target)
    lines = zip(text.gold, source, target, strict=True)
    return Guide.of_links(piece_links(gold.sure, *pieces) for gold, *pieces in lines)


def pieces_of_words(tokenizer: Tokenizer, side: Side) -> Iterator[list[list[int]]]:
    """Yield, line by line, the numbers of each word's pieces."""
    for first in range(0, len(side.lines), BLOCK):
        cut = tokenizer.encode_with_spans(side.lines[first : first + BLOCK])
        for n, pieces in enumerate(cut, first):
            found: list[list[int]] = [[] for _ in side.words[n]]
            words = words_of_pieces(side.lines[n], pieces.spans, side.word_of(n))
            for piece, held in enumerate(words):
                for word in set(held):
                    found[word].append(piece)
            yield found


def piece_links(
    links: Links, source: list[list[int]], target: list[list[int]]
) -> list[tuple[int, int]]:
    """Return the pieces (target, source) of linked words."""
    return sorted({(t, s) for i, j in links for t in target[j] for s in source[i]})
