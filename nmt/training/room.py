"""One training per folder, and enough room on its disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nmt.config.schema import Train
from nmt.errors import UserError
from nmt.training.advice import NeedsOtherSettings

LOCK = "lock"


class Taken(UserError):
    """A folder that another training uses: nothing may be written into it."""


@contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Lock a run folder. Raises Taken where another process has locked it.

    The system unlocks it when the process ends, however it ends.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Taken(
            f"another process is training in {run}: wait for it, stop it, or use another folder "
            "(hydra.run.dir=)"
        ) from error
    try:
        yield
    finally:
        lock.release()


def checkpoint_room(folder: Path, size: int, config: Train) -> str:
    """Say how much room the checkpoints of ``size`` bytes will take.

    ``folder`` is where they are. While one is being written there is one more than are kept.
    NeedsOtherSettings where there is less room.
    """
    number = max(config.keep_last, 1) + config.keep_best + 1
    there = sum(file.stat().st_size for file in folder.glob("*/*"))
    free = shutil.disk_usage(folder.parent).free
    if number * size > free + there:
        fewest = "train.keep_last=1 train.keep_best=0"
        fewer = number > 2
        raise NeedsOtherSettings(
            f"{folder.parent} has only {in_bytes(free)} free, but {number} checkpoints need "
            f"{in_bytes(number * size)}: free some space, "
            f"{f'keep fewer ({fewest}), ' * fewer}or use a folder on another disk "
            "(hydra.run.dir=)",
            resume=[fewest] if fewer else [],
            anew=["hydra.run.dir=FOLDER"],
        )
    return f"checkpoints need up to {in_bytes(number * size)}; {in_bytes(free)} are free"


def in_bytes(number: int) -> str:
    """Write 1234567 as 1.2 MB."""
    size, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
