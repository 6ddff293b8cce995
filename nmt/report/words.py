"""From pieces to words, for heatmaps over whole words."""

import re
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from nmt.attention.place import Place
from nmt.data.language import spaceless
from nmt.report.weights import Weights

MARK = "▁"  # SentencePiece's space
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


def merge_words(
    weights: Tensor, source: list[str], target: list[str], languages: tuple[str, str]
) -> tuple[Tensor, list[str], list[str]]:
    """Weights (T,S) over pieces -> weights over words, the source's and the target's words.

    Columns of one source word are summed, rows of one target word are averaged, so rows still sum
    to 1. A side whose language is written without spaces keeps its pieces, because ▁ begins a
    sentence there and not a word.
    """
    source_language, target_language = languages
    if not spaceless(source_language):
        source, member = words(source)
        weights = weights @ member.to(weights)  # (T,W)
    if not spaceless(target_language):
        target, member = words(target)
        member = member / member.sum(0)
        weights = member.T.to(weights) @ weights  # (W,S)
    return weights, source, target


def in_words(sentence: Weights) -> Weights:
    """Merge the pieces of a sentence and its target to words, in all places; see `merge_words`.

    A word's log-probability is the sum of its pieces'.
    """
    source, target = sentence.source_pieces, sentence.target_pieces
    languages = sentence.source_language, sentence.target_language
    read = ["<s>", *target[:-1]]
    axes = {
        Place.CROSS: (source, target, languages),
        Place.ENCODER: (source, source, (languages[0],) * 2),
        Place.DECODER: (read, read, (languages[1],) * 2),
    }
    weights = {}
    for place, array in sentence.weights.items():
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        weights[place] = merge_words(tensor, *axes[Place(place)])[0].numpy()
    log_p = sentence.log_p
    if not spaceless(languages[0]):
        source, _ = words(source)
    if not spaceless(languages[1]):
        target, member = words(target)
        log_p = log_p @ member.numpy().astype(log_p.dtype)
    return sentence._replace(
        source_pieces=source, target_pieces=target, log_p=log_p, weights=weights
    )


def words(pieces: list[str]) -> tuple[list[str], Tensor]:
    """The words of S pieces, and which piece belongs to which: (S,W), 0 or 1.

    A piece that starts with ▁ begins a word, a special piece such as </s> is one. SentencePiece's
    treat_whitespace_as_suffix puts ▁ at the end of words: if no piece starts with ▁, the piece
    after such an end begins a word.
    """
    at_end = not any(piece.startswith(MARK) for piece in pieces)
    starts = [
        piece.startswith(MARK)
        or piece in SPECIAL
        or before in SPECIAL
        or (at_end and before.endswith(MARK))
        for before, piece in pairwise([SPECIAL[0], *pieces])
    ]
    word_of = torch.tensor(list(accumulate(starts)), dtype=torch.long) - 1  # (S,)
    num_words = sum(starts)
    texts = [
        "".join(piece for piece, word in zip(pieces, word_of.tolist(), strict=True) if word == w)
        for w in range(num_words)
    ]
    member = torch.nn.functional.one_hot(word_of, num_words).float()
    return [spell(text) for text in texts], member


def spell(text: str) -> str:
    """Joined pieces as a person writes them: no ▁ around it, bytes as the characters they make."""
    text = BYTES.sub(
        lambda run: bytes.fromhex(re.sub("<0x|>", "", run[0])).decode("utf-8", "replace"), text
    )
    return text.removeprefix(MARK).removesuffix(MARK) or text
