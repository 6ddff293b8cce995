"""The process that trains: its companions, its signals, and how it ends."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from omegaconf import DictConfig

from nmt.errors import UserError
from nmt.hardware.memory import FOR_THE_MODEL, enough_memory
from nmt.runs.folder import CONFIG
from nmt.terminal.console import tell
from nmt.training.advice import NeedsOtherSettings
from nmt.training.process_group import connected
from nmt.training.ranks import Ranks
from nmt.training.signals import Signals, Stop

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk without room says


@contextmanager
def process(cfg: DictConfig, run: Path, again: str) -> Iterator[tuple[Path, Ranks, Signals]]:
    """Train in the block: the run folder of all processes, these processes, and what they are sent.

    A folder in which nothing came about does not stay. An interrupt, and an error that has a way
    out, end with ``again``, what to type to resume.
    """
    ranks, own = Ranks(), run
    try:
        with connected(cfg.seed, cfg.device, cfg.train.shard) as ranks, Signals() as signals:
            run = ranks.agreed(run)
            with enough_memory(FOR_THE_MODEL):
                yield run, ranks, signals
    except (Stop, KeyboardInterrupt) as end:
        stopped = isinstance(end, Stop)
        if not (run / CONFIG).exists():
            raise KeyboardInterrupt from end  # nothing to resume
        if ranks.first:
            tell(f"{end if stopped else 'interrupted'}; to resume: {again}")
        sys.exit(0 if stopped else 130)
    except NeedsOtherSettings as error:
        raise UserError(error.with_commands(run)) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{run}: {error.strerror}. Complete files are kept; once there is space again: {again}"
        ) from error
    finally:
        remove_empty(run)
        remove_empty(own)  # of another process than the first, which has a name of its own


def remove_empty(run: Path) -> None:
    """Remove a run folder in which nothing came about, and those above it in the current folder."""
    here, run = Path.cwd(), run.absolute()
    above = takewhile(lambda folder: folder != here, run.parents)
    with suppress(OSError):  # not empty
        for folder in [run, *(above if run.is_relative_to(here) else ())]:
            folder.rmdir()
