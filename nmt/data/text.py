"""What a line of real text may hold beside letters and spaces."""

import re

Text = tuple[list[str], list[str]]  # some lines of source and target, side by side

# C0 and C1 without white space: tab, line ends, next line. Real text has none of these
# characters: they come from binary files and from cp1252 that was read as Latin-1.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Characters that end a line or a column in some program, or move a terminal's cursor.
BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def has_control(text: str) -> bool:
    """Whether there is a control character other than white space."""
    return CONTROL.search(text) is not None


def one_line(text: str) -> str:
    r"""Text that is one line for every program, and one column of a table.

    A space replaces each control character, tab, \r, \n, U+0085, U+2028 and U+2029. Direction marks
    and joiners stay: they belong to words.
    """
    return BREAK.sub(" ", text)


def shortened(text: str, most: int) -> str:
    """The beginning of a text, for messages and pictures."""
    return text if len(text) <= most else f"{text[:most]}…"
