"""Files that appear complete or not at all, and that survive a power failure."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from nmt.config.own import words_again
from nmt.data.cache import file_digest
from nmt.errors import UserError
from nmt.runs.sample import NAME as SAMPLE
from nmt.runs.sample import is_sample

SUMS = "SHA256SUMS"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a temporary file to write in the block; it is renamed once it is complete.

    A device or a pipe is written directly.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync(path.parent)


def write(path: Path, text: str) -> None:
    """Write a file that appears complete."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a readable JSON file; nan and inf, which JSON does not have, become null."""
    text = json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False)
    write(path, text + "\n")


def finite(content: Any) -> Any:
    """Return the same with null for every number that is not finite."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def as_typed(path: Path) -> str:
    """Write a path as one can type it in a shell in the current folder."""
    if is_sample(path):
        return SAMPLE
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def resuming(run: Path, *words: str) -> str:
    """Return the command that resumes a run, with these arguments."""
    return " ".join([f"nmt train resume={as_typed(run)}", *words_again(), *words])


def lines_of(path: Path) -> list[str]:
    r"""Read lines, split only at \n, not at U+2028 and the like."""
    try:
        return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason}") from error


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    found = os.open(path, os.O_RDONLY)
    try:
        os.fsync(found)
    finally:
        os.close(found)


def write_sums(folder: Path) -> None:
    """Write the digests of the files of a folder into SHA256SUMS, also for `sha256sum -c`."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != SUMS)
    write(folder / SUMS, "".join(f"{file_digest(file)}  {file.name}\n" for file in files))


def damage(folder: Path) -> str | None:
    """Say what differs from SHA256SUMS; None: nothing, or that file is missing."""
    sums = folder / SUMS
    if not sums.is_file():
        return None
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if Path(name).name != name or not (folder / name).is_file():
            return f"{name} is missing"
        if file_digest(folder / name) != digest:
            return f"{name} has changed since it was written"
    return None
