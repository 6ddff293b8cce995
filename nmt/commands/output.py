"""Where a command writes: over nothing of a run, over no text it reads, over no other results."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TextIO

from nmt.errors import UserError
from nmt.runs.files import replacing
from nmt.runs.folder import CONFIG, EVENT_FILES, RESULT
from nmt.terminal.console import tell

# What a training leaves in its folder, see nmt.runs.folder.
OWN = frozenset(
    {
        *("config.yaml", "tokenizer", "checkpoints", "model.safetensors", "ends"),
        *("metrics.jsonl", "tensorboard", "heatmaps", "lock", "failure.txt", "not_finite.tsv"),
        *("result.json", "hypotheses.txt", "sources.txt", "references.txt", "losses.txt"),
        *("dropped.tsv", "frequencies.tsv", "words", "explorer.html"),
    }
)


def require_file(key: str, path: str, read: Iterable[str | Path | None] = ()) -> Path:
    """Return the file that a key names; of a link, the file that it leads to.

    UserError for a folder, a file of a run, and one of those that are ``read``.
    """
    place = Path(path)
    if place.is_dir():
        raise UserError(f"{key}={path} is a folder: name a file in it")
    require_not_own(key, place)
    if place.resolve() in {Path(one).resolve() for one in read if one}:
        raise UserError(f"{key}={path} is read, and would be lost: name another file")
    special = place.exists() and not place.is_file()  # a device or a pipe: /dev/stdout, /dev/null
    return place.resolve() if place.is_symlink() and not special else place


@contextmanager
def text_file(key: str, place: Path | None) -> Iterator[TextIO]:
    """Open the file that a key names, which appears when it is whole; None: standard output."""
    if place is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        yield sys.stdout
        return
    with replacing(place) as partial:
        try:
            file = partial.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"{key}={place} cannot be written: {error.strerror}") from error
        with file:
            yield file


def require_folder(key: str, path: str | Path) -> Path:
    """Return the folder that a key names. UserError for a file, and for what belongs to a run."""
    place = Path(path)
    if place.exists() and not place.is_dir():
        raise UserError(f"{key}={path} is a file: name a folder")
    if (place / CONFIG).exists():
        raise UserError(f"{key}={path} is a run folder, whose files would be lost: name another")
    require_not_own(key, place)
    return place


def require_not_own(key: str, place: Path) -> None:
    """Raise UserError for a place that belongs to a run, wherever links lead."""
    found = place.resolve()
    for folder in found.parents:
        own = found.relative_to(folder).parts[0]
        if (own in OWN or fnmatch(own, EVENT_FILES)) and (folder / CONFIG).is_file():
            raise UserError(
                f"{key}={place}: {own} belongs to the run {folder}, and what is in it would be "
                "lost: name another place"
            )


def require_unread(output: Path, written: Iterable[str], read: Iterable[str | Path | None]) -> None:
    """Raise UserError where a file that is read is one of those to be written into a folder."""
    places = {(output / name).resolve() for name in written}
    for one in read:
        if one and Path(one).resolve() in places:
            raise UserError(f"output={output}: {one} is read, and would be lost: name another")


def folder_of_text(folder: Path, names: Sequence[str], texts: Mapping[str, list[str]]) -> Path:
    """Return the folder below ``folder`` for the results of a text; say so if it is not the first.

    It has the first of ``names`` that has no result yet, or one of this text; else one more, made
    of the text itself. ``texts`` are the lines of the files by which a text is told from others.
    """
    longest = f"{names[-1]}-{fingerprint(texts)}"
    first, *others = (folder / name for name in (*names, longest))
    fitting = (one for one in (first, *others) if not (one / RESULT).exists() or holds(one, texts))
    place = next(fitting, folder / longest)
    if place != first:
        tell(f"{first} has the results of another text; those of this one go to {place}")
    return place


def holds(folder: Path, texts: Mapping[str, list[str]]) -> bool:
    """Tell whether the files in a folder have these lines."""
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == as_written(lines)
        for name, lines in texts.items()
    )


def fingerprint(texts: Mapping[str, list[str]]) -> str:
    """Return a name for the lines of some files."""
    return hashlib.sha256(b"\n".join(map(as_written, texts.values()))).hexdigest()[:8]


def as_written(lines: list[str]) -> bytes:
    """Return lines as a file has them."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8")
