"""What makes scores doubtful, told by the text that is scored."""

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from nmt.metrics.bleu import bleu_tokenizer

log = logging.getLogger(__name__)

LOOKED_AT = 1000  # lines
PERIODS = 100  # lines that end in a lone period, as sacreBLEU counts them
LONG = 5  # characters between spaces, in the mean: several words, where a character is a syllable
# What Unicode calls the letters of scripts without spaces between words.
LETTERS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def warn_of_doubts(
    hypotheses: Sequence[str], references: Sequence[str], target_language: str
) -> None:
    """Log each of the :func:`doubts`, the first time that it comes up in this process."""
    for doubt in doubts(hypotheses, references, target_language):
        warn_once(doubt)


@cache
def warn_once(text: str) -> None:
    """Log a warning, and do nothing where the same was logged before."""
    log.warning(text)


def doubts(hypotheses: Sequence[str], references: Sequence[str], target_language: str) -> list[str]:
    """Say what is wrong with text that is scored as of a language, and what to do about it."""
    found: list[str] = []
    if bleu_tokenizer(target_language) == "13a" and without_spaces(references):
        found.append(
            f"data.target={target_language} is scored in words separated by spaces (tok:13a), "
            "but these references are written without spaces: BLEU and TER count several words "
            "as one. Name the language and its script, for instance zh, jpn or tha_Thai"
        )
    if max(map(lone_periods, (hypotheses, references))) >= PERIODS:
        found.append(
            f'{PERIODS} or more translations or references end in " .", as in tokenized text: '
            "only scores on raw text are comparable. Detokenize the corpus first, for instance "
            "with sacremoses detokenize"
        )
    return found


def lone_periods(lines: Sequence[str]) -> int:
    """Count the lines that end in a period with a space before it."""
    return sum(line.endswith(" .") for line in lines)


def without_spaces(lines: Sequence[str]) -> bool:
    """Tell whether most letters are of scripts that do not part words, and few spaces do."""
    lines = lines[:LOOKED_AT]
    letters = Counter(c for line in lines for c in line if c.isalpha())
    unparted = sum(n for c, n in letters.items() if unicodedata.name(c, "").startswith(LETTERS))
    words = [word for line in lines for word in line.split()]
    return 2 * unparted > letters.total() and sum(map(len, words)) > LONG * len(words)
