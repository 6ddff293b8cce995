"""Files of text, one sentence a line."""

import gzip
import lzma
import zlib
from pathlib import Path

import zstandard
from datasets import Dataset

from nmt.data.corpus import pairs
from nmt.errors import UserError

COMPRESSED = (".gz", ".xz", ".zst")


def require_file(path: Path) -> None:
    """UserError where `path` is no file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")


def read_pair(source: Path, target: Path) -> Dataset:
    """Two files of which line n translate each other. UserError where they are not as long."""
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources):,} lines and {target} has {len(targets):,}: "
            "both sides of a corpus must have the same number"
        )
    return pairs(sources, targets)


def read_lines(path: Path) -> list[str]:
    r"""The lines of a UTF-8 file, plain or compressed, split at \n alone.

    CRLF and a byte-order mark are taken off; U+2028 and its like are no line ends. UserError for a
    file that is missing, empty, damaged, or (with the line) not UTF-8.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: invalid UTF-8 ({error.reason}); "
            "convert the file first, for instance with iconv"
        ) from None
    if not text.strip():
        raise UserError(f"{path} is empty")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def read_bytes(path: Path) -> bytes:
    """What a file holds once decompressed. UserError where it is missing or damaged."""
    require_file(path)
    decompress = {".gz": gzip.decompress, ".xz": lzma.decompress, ".zst": _unzstd}
    try:
        content = path.read_bytes()
        return decompress[path.suffix](content) if path.suffix in decompress else content
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _unzstd(data: bytes) -> bytes:
    """All frames of a .zst file, as gzip and lzma decompress all of theirs."""
    frames: list[bytes] = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("the file ends too early")
        data = frame.unused_data
    return b"".join(frames)
