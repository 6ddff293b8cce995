"""Sentences of made-up words, enough of them to train a tokenizer on in no time."""

import random

from nmt.data.tokenizer import TokenizerConfig

SYLLABLES = [
    "ka",
    "to",
    "mi",
    "shu",
    "ne",
    "ro",
    "ha",
    "yu",
    "li",
    "be",
    "do",
    "wan",
    "ger",
    "stra",
    "pfo",
    "quel",
]
WORDS = [first + second for first in SYLLABLES for second in SYLLABLES]
CONFIG = TokenizerConfig(size=360)  # 4 special pieces, 256 bytes, the rest of the text


def text(lines: int, seed: int = 0) -> list[str]:
    """Lines of two to nine words, the same for the same seed."""
    draw = random.Random(seed)
    return [
        " ".join(draw.choices(WORDS, k=draw.randint(2, 9))).capitalize() + "." for _ in range(lines)
    ]
