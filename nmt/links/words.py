"""From text to its words, and from pieces to words, by the characters that they share."""

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import torch
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor

from nmt.data.language import primary, spaceless
from nmt.data.text import shortened
from nmt.errors import UserError
from nmt.metrics.bleu import bleu_tokenizer, moses

NOWHERE = -1  # the word of a character that is in none
LEAST = 0.5  # share of the text's letters and digits that must be in its words


def split_words(line: str) -> list[str]:
    """Split at ASCII spaces alone: an ideographic space may be a word of a tokenised line."""
    return [word for word in line.split(" ") if word]


def words_of(lines: Sequence[str], language: str) -> list[list[str]]:
    """Return the words of raw text: what stands between spaces.

    Of a language that is written without spaces: what sacreBLEU's tokenizer for it makes of a line.
    """
    texts = tokenized(lines, language) if spaceless(language) else lines
    return [split_words(line) for line in texts]


def tokenized(lines: Sequence[str], language: str) -> list[str]:
    """Return each line as tokens between spaces: sacreBLEU's for the language, else Moses'."""
    name = bleu_tokenizer(language)
    if name == "13a":
        return moses(list(lines), primary(language))
    tokenizer = BLEU(tokenize=name).tokenizer
    return [tokenizer(line) for line in lines]


def word_of_characters(text: str, words: Sequence[str], place: str) -> list[int]:
    """Return the word of each character of the text, NOWHERE for spaces and what is in no word.

    The words may leave out marks of the text, and spell characters in another way ("½" and "1/2",
    a quotation mark and two). UserError, which begins with ``place``, where they are of other text.
    """
    found = in_order(text, words)
    if found is not None:
        return found
    found = roughly(text, words)
    if found is None:
        raise UserError(
            f"{place}: these are not the words of the text; words: "
            f"{shortened(' '.join(words), 50)}; text: {shortened(text, 50)}"
        )
    return found


def in_order(text: str, words: Sequence[str]) -> list[int] | None:
    """Find each word behind the one before, with nothing but marks and spaces between them."""
    found = [NOWHERE] * len(text)
    end = 0
    for number, word in enumerate(words):
        start = text.find(word, end)
        if start < 0 or any(c.isalnum() for c in text[end:start]):
            return None
        end = start + len(word)
        found[start:end] = [number] * len(word)
    return None if any(c.isalnum() for c in text[end:]) else found


def roughly(text: str, words: Sequence[str]) -> list[int] | None:
    """Match characters without regard to case and compatibility forms; None: most do not match."""
    text_letters = [(c, at) for at, one in enumerate(text) if one != " " for c in plain(one)]
    word_letters = [(c, number) for number, word in enumerate(words) for c in plain(word)]
    ours, theirs = ("".join(c for c, _ in letters) for letters in (text_letters, word_letters))
    found = [NOWHERE] * len(text)
    matched = 0
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        matched += sum(c.isalnum() for c in ours[start:end]) if tag == "equal" else 0
        num = other_end - other_start
        for step in range(end - start if num else 0):  # one for one, or spread evenly
            _, word = word_letters[other_start + step * num // (end - start)]
            found[text_letters[start + step][1]] = word
    return None if matched < LEAST * sum(c.isalnum() for c in ours) else found


def plain(text: str) -> str:
    """Text without differences of case and compatibility."""
    return unicodedata.normalize("NFKC", text).casefold().replace(" ", "")


def words_of_pieces(
    text: str, spans: Sequence[tuple[int, int]], word_of: Sequence[int]
) -> Iterator[list[int]]:
    """Yield the words of each piece: that of each of its characters which is in one.

    ``spans`` are the pieces' characters in the text. A piece without characters, such as a lone
    space mark or a byte, is of the word that follows.
    """
    for start, end in spans:
        held = [word for word in word_of[start:end] if word != NOWHERE]
        if not held and not text[start:end].strip():
            ahead = next((at for at in range(start, len(text)) if not text[at].isspace()), None)
            held = [word_of[ahead]] if ahead is not None and word_of[ahead] != NOWHERE else []
        yield held


def members(
    text: str, spans: Sequence[tuple[int, int]], word_of: Sequence[int], num_words: int
) -> Tensor:
    """Return which share of each of S pieces belongs to which of W words: (S,W).

    A row sums to 1: a piece that two words share counts by their characters. A row of zeros is a
    piece of no word. See :func:`words_of_pieces`.
    """
    member = torch.zeros(len(spans), num_words)
    shares = member.numpy()
    for piece, held in enumerate(words_of_pieces(text, spans, word_of)):
        for word in held:
            shares[piece, word] += 1 / len(held)
    return member


def merge(weights: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Weights (...,T,S) over pieces -> weights over words (...,V,W).

    A source word has the sum of what its pieces (S,W) got, a target word the mean of what its
    pieces (T,V) gave. The row of a target word without a piece is 0.
    """
    mean = target / target.sum(0).clamp(min=torch.finfo(target.dtype).tiny)
    return mean.T @ (weights @ source)
