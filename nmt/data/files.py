"""Reading parallel text from files."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO

import zstandard
from datasets import Dataset

from nmt.data.corpus import pairs
from nmt.errors import UserError

OPEN: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: gzip.open(path, "rb"),
    ".xz": lambda path: lzma.open(path, "rb"),
    ".zst": lambda path: zstandard.open(path, "rb"),
}


def read_lines(path: Path) -> list[str]:
    r"""The lines of a UTF-8 text file, plain or compressed, split at \n alone (CRLF and BOM are taken off).

    U+2028 and its like are no line ends here. UserError for a file that is missing, empty, broken or not
    UTF-8, with the line.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with OPEN.get(path.suffix, lambda path: path.open("rb"))(path) as file:
            content = file.read()
    except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: not UTF-8 ({error.reason}); convert it, e.g. with iconv"
        ) from None
    if not text.strip():
        raise UserError(f"{path} is empty")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_pair(source: Path, target: Path) -> Dataset:
    """Two files whose line n are translations of each other. UserError where they are not as long."""
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources):,} lines and {target} has {len(targets):,}: "
            "the two sides of a corpus must have the same number"
        )
    return pairs(sources, targets)
