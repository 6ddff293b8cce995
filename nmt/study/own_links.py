"""The alignment error rate on a study's own sentences, whose attention a ledger keeps."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.alignment.attention import Reading, argmax_links
from nmt.config.study import Study
from nmt.links.error import count
from nmt.links.links import Gold, read_line
from nmt.links.words import members, merge, split_words, tokenized, word_of_characters
from nmt.models.seq2seq import Kind
from nmt.report.words import MARK


def own_error(
    arrays: Mapping[str, np.ndarray], study: Study, data: Mapping[str, Any]
) -> float | None:
    """Return the AER of a run on the study's own sentences, from 0 to 1; Och and Ney 2003.

    Each target word is linked to the source word with its largest weight, a mean over layers and
    heads, as `nmt align` does by default. None: nobody linked the words, or nobody attends.

    arrays: what the ledger keeps of the run.
    data: the run's corpus, with the languages ``source`` and ``target``.
    """
    kind = Kind.SOURCE_TARGET.value
    if not study.links or f"attention/0/{kind}" not in arrays:
        return None
    words = own_words(study, data)
    found = []
    for number, sides in enumerate(words):
        weights = torch.from_numpy(arrays[f"attention/{number}/{kind}"]).float()  # (L,H,T+1,S+1)
        source, target = (
            held(arrays[f"pieces/{number}/{side}"].tolist()[:-1], own)
            for side, own in zip(("source", "target"), sides, strict=True)
        )
        found.append(argmax_links(merge(Reading()(weights), source, target)))
    return count(found, own_gold(study, words)).error


def held(pieces: Sequence[str], words: Sequence[str]) -> Tensor:
    """Return which share of each of S pieces belongs to which of W words: (S,W)."""
    text = "".join(pieces).replace(MARK, " ")
    spans = list(pairwise(accumulate(map(len, pieces), initial=0)))
    word_of = word_of_characters(text, words, "study.sentences")
    return members(text, spans, word_of, len(words))


def own_gold(study: Study, words: Sequence[tuple[list[str], list[str]]]) -> list[Gold]:
    """Return the links between :func:`own_words`. UserError, with the key, for other links."""
    return [
        read_line(links, f"study.links[{number}]", 0, (len(source), len(target)))
        for number, (links, (source, target)) in enumerate(zip(study.links, words, strict=True))
    ]


def own_words(study: Study, data: Mapping[str, Any]) -> list[tuple[list[str], list[str]]]:
    """Return the words of both sides of the study's own sentences, punctuation apart."""
    sides = zip(*study.sentences, strict=True)
    source, target = (
        [split_words(line) for line in tokenized(side, data[name])]
        for side, name in zip(sides, ("source", "target"), strict=True)
    )
    return list(zip(source, target, strict=True))
