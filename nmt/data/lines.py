"""Files of text, one sentence per line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from datasets import Dataset

from nmt.data.compressed import decompressed, opened
from nmt.data.corpus import spooled
from nmt.errors import UserError

READ = 1 << 20  # bytes of lines that are decoded at once


def require_file(path: Path) -> None:
    """UserError where `path` is not a file that can be read twice."""
    require_readable(path)
    if not path.is_file():
        raise UserError(f"{path} is not a regular file: write its content to a file and use that")


def require_readable(path: Path) -> None:
    """UserError where `path` is missing or a folder; a pipe is allowed."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file in it")
    if not path.exists():
        raise UserError(f"{path}: no such file")


def read_pair(source: Path, target: Path, scratch: Path) -> Dataset:
    """Two files whose lines n translate each other. UserError where their lengths differ."""
    counted = [Counted(strict_lines(path)) for path in (source, target)]
    found = spooled(zip(*counted, strict=False), scratch)
    sizes = [lines.number + sum(1 for _ in lines) for lines in counted]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{source} has {sizes[0]:,} lines and {target} has {sizes[1]:,}: "
            "both sides of a corpus must have the same number"
        )
    return found


@dataclass
class Counted:
    """Lines, and how many of them have been taken."""

    lines: Iterator[str]
    number: int = 0

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.number += 1
            yield line


def read_lines(path: Path) -> list[str]:
    """The lines of a file, by `strict_lines`."""
    return list(strict_lines(path))


def strict_lines(path: Path) -> Iterator[str]:
    r"""The lines of a UTF-8 file, plain or compressed, split only at \n, few of them in memory.

    CR before \n and a byte-order mark are removed; U+2028 and the like do not end a line. UserError
    for a file that is missing, empty, damaged, or (with the line) not UTF-8.
    """
    require_file(path)
    with opened(path) as file:
        yield from decoded(file, str(path))


def decoded(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of an open file, with the rules and errors of `strict_lines`."""
    number, blank = 0, True
    while lines := file.readlines(READ):
        text = _text(lines, number, name)
        blank = blank and not text.strip()
        number += len(lines)
        yield from (line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))
    if blank:
        raise UserError(f"{name} is empty")


def without_blank_end(lines: Iterable[str]) -> Iterator[str]:
    """Lines without blank lines at the end, which many editors leave."""
    blank: list[str] = []
    for line in lines:
        if line.strip(" "):
            yield from blank
            yield line
            blank.clear()
        else:
            blank.append(line)


def _text(lines: list[bytes], before: int, name: str) -> str:
    """Decode some lines of a file, which come after `before` other lines."""
    content = b"".join(lines)
    try:
        return content.decode("utf-8" if before else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = before + content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{name}, line {line}: invalid UTF-8 ({error.reason}); "
            "convert the file first, for instance with iconv"
        ) from None


def read_bytes(path: Path) -> bytes:
    """The decompressed content of a file. UserError where it is missing or damaged."""
    require_file(path)
    with opened(path) as file:
        return file.read()


def stream_lines(source: Path | BinaryIO) -> Iterator[bytes]:
    r"""Yields the decompressed lines of a file, each with its \n; it may be a pipe, or open.

    UserError where it is damaged, after the last line that could be read.
    """
    if isinstance(source, Path):
        require_readable(source)
    read = opened(source) if isinstance(source, Path) else decompressed(source, "standard input")
    with read as file:
        yield from file


@dataclass
class Repaired:
    r"""A line of text for each \n-line of any bytes, with U+FFFD for what is not UTF-8.

    A byte-order mark and \r before \n are removed.
    """

    lines: Iterable[bytes]
    num_broken: int = 0  # lines so far that got a U+FFFD
    first_broken: int = 0  # the number of the first of them, from 1

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self.lines, start=1):
            encoding = "utf-8-sig" if number == 1 else "utf-8"
            try:
                text = line.decode(encoding)
            except UnicodeDecodeError:
                text = line.decode(encoding, errors="replace")
                self.num_broken += 1
                self.first_broken = self.first_broken or number
            yield text.removesuffix("\n").removesuffix("\r")
