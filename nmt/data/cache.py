"""Results kept on disk under a name made of everything they depend on.

An entry is a folder. It is built under another name and then renamed, so that a run that is killed
leaves no half-made entry, and two runs at once do not disturb each other. What a killed run leaves
is deleted when the next entry is built.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt.errors import UserError

PARTIAL = ".partial-"  # before the names of entries that are being built


def cache_folder(given: str | None) -> Path:
    """Where prepared corpora are kept: the folder that is given, `$NMT_CACHE`, or `~/.cache/nmt`.

    UserError where that is in the home folder and there is none (a container's unknown user).
    """
    return expanded(
        given or os.environ.get("NMT_CACHE") or "~/.cache/nmt",
        "name a folder for prepared corpora: cache=FOLDER, or NMT_CACHE=FOLDER",
    )


def expanded(path: str, otherwise: str = "write the whole path") -> Path:
    """Replace `~` by the home folder. UserError, with the way out, where that is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path}: ~ means the home folder, which is unknown; {otherwise}"
        ) from error


def digest(*parts: object) -> str:
    """32 hex digits that change when any of `parts` (anything that json can write) does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest() -> str:
    """A digest of this package's source, so that entries of older code are not used."""
    return digest([file_digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))])


def cached(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder`, filled by `build(partial folder)` unless it is already there."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    with held(new):
        partial = new.rename(
            new.with_name(new.name.replace(".new-", PARTIAL))
        )  # held from the beginning
        try:
            build(partial)
            partial.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first with the same content
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def remove_abandoned(folder: Path) -> None:
    """Remove the half-made entries of killed processes from a folder."""
    for left in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError), held(left) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder until the block, or the process, ends. True: nobody else holds it.

    Also False where the file system cannot tell.
    """
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(place)
