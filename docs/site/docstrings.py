"""Docstrings of nmt as reStructuredText: aligned arguments, tables, and signs that mean nothing."""

import re

ARGUMENT = re.compile(r"\w+(?:, \w+)*: +\S")
SECTION = re.compile(r"\w+:$")  # of Google's style: Args:, Raises:
COLUMNS = re.compile(r"\S {3,}\S")
LITERAL = re.compile(r"(``.*?``|`.*?`)")


def prepared(lines: list[str]) -> list[str]:
    """Return a docstring's lines as Sphinx reads them.

    A paragraph of ``name:  what it is`` becomes a section of arguments, one with columns is shown
    as it stands, and in all others ``|`` and ``*`` are only signs.
    """
    return [line for paragraph in paragraphs(lines) for line in of_paragraph(paragraph)]


def paragraphs(lines: list[str]) -> list[list[str]]:
    """Return the lines between blank lines; a blank line is a paragraph of its own."""
    found: list[list[str]] = []
    for line in lines:
        if line.strip() and found and found[-1][0].strip():
            found[-1].append(line)
        else:
            found.append([line])
    return found


def of_paragraph(lines: list[str]) -> list[str]:
    """Return a paragraph that Sphinx reads as it is meant."""
    outer = [line for line in lines if line and not line[0].isspace()]
    if outer and all(ARGUMENT.match(line) for line in outer):
        return ["Args:", *(f"    {escaped(re.sub(': +', ': ', line, count=1))}" for line in lines)]
    if outer and not SECTION.match(lines[0]) and any(COLUMNS.search(line) for line in lines):
        return ["::", "", *(f"    {line}" for line in lines), ""]
    if not outer:  # of a section, or a formula that stands alone
        return lines if ">>>" in lines[0] else [escaped(line) for line in lines]
    return [escaped(line) for line in lines]


def escaped(line: str) -> str:
    """Return a line in which ``|`` and ``*`` outside of code mark nothing."""
    parts = LITERAL.split(line)
    parts[::2] = (re.sub(r"([|*])", r"\\\1", part) for part in parts[::2])
    return "".join(parts)
