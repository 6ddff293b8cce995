"""Hydra's grammar of KEY=VALUE words, in which = , # ( ~ and ä are not plain text; its quotes."""

import re
import shlex
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from nmt.errors import UserError


def quoted(text: str) -> str:
    """Write a text so that Hydra reads it whole; a backslash counts only in front of a quote."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    backslashes = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{backslashes * chr(92)}'"


def is_quoted(value: str) -> bool:
    """Tell whether a value was typed in quotes, for Hydra."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def parsed(word: str) -> tuple[str, Any]:
    """Return key and value of a KEY=VALUE word.

    UserError for several values; Hydra's OverrideParseException where the word cannot be read.
    """
    (override,) = OverridesParser.create().parse_overrides([word])
    if override.is_sweep_override():
        raise UserError(f"{word}: several values are only for a sweep (-m) of new runs; give one")
    return override.key_or_group, override.value()


def readable(word: str) -> bool:
    """Tell whether Hydra can read a word."""
    try:
        OverridesParser.create().parse_overrides([word])
    except OverrideParseException:
        return False
    return True


def with_quotes(word: str) -> str | None:
    """Say how to type a KEY=VALUE word that cannot be read without quotes; None: not known."""
    key, _, value = word.partition("=")
    listed = value.startswith("[")
    if listed and not value.endswith("]"):
        return None
    inner = value[1:-1] if listed else value
    items = ",".join(it if is_quoted(it) else quoted(it.strip()) for it in inner.split(","))
    one, several, as_list = f"{key}={quoted(value)}", f"{key}={items}", f"{key}=[{items}]"
    if listed:
        ways = {as_list: ""}
    elif one == several:
        ways = {one: ""}
    else:
        ways = {one: " (one value)", as_list: " (a list)", several: " (a run for each, with -m)"}
    told = [f"{in_shell(way)}{meaning}" for way, meaning in ways.items() if readable(way)]
    return " or ".join(told) or None


def in_shell(word: str) -> str:
    """Write a word with single quotes in it as it is typed in a shell."""
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'
