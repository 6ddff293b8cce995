"""Paths as they are typed: any character may be in one; `last` and `sample` name runs."""

import os
import re
import shlex
from pathlib import Path

from nmt.commands.last import named, typed_again
from nmt.config.grammar import is_quoted, parsed, quoted

SIDES = ("source", "target", "source_words", "target_words", "gold")  # of nmt align
# The keys of all commands whose value is, or may be, one path. resume= and from= never get here.
PATHS = frozenset(
    {
        *("run", "reverse", "input", "output", "prefix", "heatmap", "cache", "scores"),
        *("weights", "links", "candidates", "contrast"),
        *("ledger", "runs", "merge"),  # of nmt study
        *SIDES,
        *(f"dev.{side}" for side in SIDES),
        *("data.dir", "data.name", "data.folder", "guide.path"),
        *("tokenizer.run", "tokenizer.model", "init"),
        *("hydra.run.dir", "hydra.sweep.dir"),
    }
)

ABOUT_A_RUN = ("translate", "evaluate", "align", "score", "heads", "export")  # commands with run=


def with_run(command: str, words: list[str]) -> list[str]:
    """Write a run folder that is typed alone, as in `nmt heads runs/small`, as run=FOLDER."""
    # The folder of a run in a sweep has = in its name.
    alone = [word for word in words if "=" not in word or Path(word).is_dir()]
    if command not in ABOUT_A_RUN or len(alone) != 1 or any(w.startswith("run=") for w in words):
        return words
    return [f"run={word}" if word in alone else word for word in words]


def for_hydra(words: list[str]) -> list[str]:
    """Return the words of a command with every path in quotes, so that Hydra takes it as it is."""
    several = not {"-m", "--multirun"}.isdisjoint(words)
    return [as_it_is(named(word), several) for word in words]


def as_it_is(word: str, several: bool) -> str:
    """Quote the path of a KEY=PATH word; ~ is the user's folder.

    Each run of a list is quoted. Left alone are null, other lists, what is in quotes already, and,
    where a sweep may have ``several`` values, what has a comma.
    """
    key, _, path = word.partition("=")
    if key in ("resume", "from"):
        return f"{key}={os.path.expanduser(path)}"
    if key == "run" and path.startswith("[") and path.endswith("]"):
        runs = [as_it_is(named(f"run={one}"), several) for one in listed(path)]
        return f"run=[{','.join(run.removeprefix('run=') for run in runs)}]"
    if key.lstrip("+") not in PATHS or path in ("", "null") or path.startswith("["):
        return word
    if is_quoted(path) or (several and "," in path):
        return word
    # The corpora know ~ themselves, and the configuration of a run is to name no one's folder.
    return f"{key}={quoted(path if key == 'data.dir' else os.path.expanduser(path))}"


def listed(paths: str) -> list[str]:
    """Split [A,"B,C"] at the commas outside of quotes."""
    return [one.strip() for one in re.findall(r"""'[^']*'|"[^"]*"|[^,'"]+""", paths[1:-1])]


def for_shell(words: list[str]) -> list[str]:
    """Return words as they can be typed in a shell: the other way of :func:`for_hydra`."""
    return [shlex.quote(typed_again(without_quotes(word))) for word in words]


def without_quotes(word: str) -> str:
    """Take the quotes off a KEY='PATH' word."""
    key, _, value = word.partition("=")
    return f"{key}={parsed(word)[1]}" if key in PATHS and is_quoted(value) else word
