"""Results kept on disk under a name made of everything they depend on.

An entry is a folder. It is built beside its place and renamed into it, so that a run which is cut
off leaves nothing half-made, and two runs at once do not meet.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def default_cache() -> Path:
    """`$NMT_CACHE`, or `~/.cache/nmt`."""
    return Path(os.environ.get("NMT_CACHE") or "~/.cache/nmt").expanduser()


def cache_folder(given: str | None) -> Path:
    """Where prepared corpora are kept: the folder that is given, else `default_cache`."""
    return Path(given).expanduser() if given else default_cache()


def digest(*parts: object) -> str:
    """32 hex digits that change when any of `parts` (what json can write) does."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest() -> str:
    """A digest of this package's source: what older code has put into the cache is not used."""
    return digest([file_digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))])


def cached(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder`, filled by `build(partial folder)` unless it is already there."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        build(partial)
        partial.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was first with the same content
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
