"""Digests of files; those of large files are kept, because reading the files takes long."""

import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nmt.data.cache import cached, digest, file_digest

LARGE = 1 << 28  # bytes; smaller files are digested in half a second
REST = 5 * 10**9  # nanoseconds; clocks of file systems tick every two seconds at the slowest


class Stamp(NamedTuple):
    """What the system knows of a file: it stays the same until somebody writes to the file.

    `changed` (ctime) is set by the system alone, at every write and whenever `written` is set.
    """

    device: int
    inode: int
    size: int
    written: int  # ns
    changed: int  # ns

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """The file's stamp now."""
        found = path.stat()
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def kept_digest(path: Path, cache: Path) -> str:
    """The SHA-256 of a file's bytes; for a large file the one kept in `cache` under its stamp.

    No digest is kept if the file was written to seconds before, or meanwhile: it could change again
    within the same tick of the clock, and would have the same stamp.
    """
    now, stamp = time.time_ns(), Stamp.of(path)
    if stamp.size < LARGE:
        return file_digest(path)
    entry = cache / "digests" / digest(str(path.resolve()), *stamp)
    if entry.is_dir():
        return (entry / "sha256").read_text()
    found = file_digest(path)
    if now - max(stamp.written, stamp.changed) > REST and Stamp.of(path) == stamp:
        cached(entry, partial(_write, found))
    return found


def _write(found: str, folder: Path) -> None:
    (folder / "sha256").write_text(found)
