"""Compressed files, recognized by their first bytes, whatever their names."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from nmt.errors import UserError


class Format(NamedTuple):
    """A compression format: how its files begin and what reads them."""

    magic: bytes
    open: Callable[[Any], Any]


def _open_zst(file: BinaryIO) -> BinaryIO:
    # Arrow's reader: zstandard's own does not notice a file that ends too early.
    return io.BufferedReader(pa.input_stream(file, compression="zstd"))


FORMATS = {
    ".gz": Format(b"\x1f\x8b\x08", gzip.open),
    ".xz": Format(b"\xfd7zXZ\x00", lzma.open),
    ".zst": Format(b"\x28\xb5\x2f\xfd", _open_zst),
    ".bz2": Format(b"BZh91AY&SY", bz2.open),
}
COMPRESSED = tuple(FORMATS)
ARCHIVES = {b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}
TAR = slice(257, 262), b"ustar"  # where a tar has its signature
BEGINNING = 262  # bytes


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for its decompressed bytes. UserError where it is damaged or an archive."""
    with path.open("rb") as file, decompressed(file, str(path)) as content:
        yield content


@contextmanager
def decompressed(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The decompressed bytes of an open file, which may be a pipe. UserError as for `opened`.

    The first bytes decide the format, or else the ending of its name.
    """
    try:
        file = file if hasattr(file, "peek") else io.BufferedReader(file)  # type: ignore[arg-type]
        with _opener(_start(file), name)(file) as content:
            start = _start(content)
            kinds = [kind for magic, kind in ARCHIVES.items() if start.startswith(magic)]
            if kinds or start[TAR[0]] == TAR[1]:
                raise UserError(f"{name} is an archive ({[*kinds, 'tar'][0]}): unpack it first")
            yield content
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UserError(f"{name} cannot be read: {error}") from error


def _start(file: Any) -> bytes:
    return file.peek(BEGINNING)[:BEGINNING]


def _opener(start: bytes, name: str) -> Callable[[Any], Any]:
    """The reader of a file that begins like this."""
    if not start:
        return lambda _: io.BufferedReader(io.BytesIO())  # type: ignore[arg-type]
    for one in FORMATS.values():
        if start.startswith(one.magic):
            return one.open
    for ending, one in FORMATS.items():
        if name.lower().endswith(ending):
            return one.open
    return nullcontext
