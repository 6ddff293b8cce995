"""A run folder while a training has it: nobody else's, repaired, and with what explains it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig, OmegaConf

from nmt.data.prepare import Prepared
from nmt.data.tokenizer import Tokenizer
from nmt.errors import UserError
from nmt.experiment import ends
from nmt.report.logger import Logger, quiet_writers
from nmt.runs import checkpoint
from nmt.runs.files import as_typed, resuming, sync, write
from nmt.runs.folder import CONFIG, FAILURE, TOKENIZERS, stored
from nmt.terminal.progress import Progress
from nmt.training.ranks import Ranks
from nmt.training.room import Taken, only_one


@contextmanager
def opened(
    cfg: DictConfig,
    run: Path,
    before: bytes | None,
    prepared: Prepared,
    progress: Progress,
    ranks: Ranks,
) -> Iterator[tuple[Logger, list[checkpoint.Checkpoint]]]:
    """Hold a run folder, with its log and its checkpoints, oldest first, inside the block.

    The first of the ``ranks`` holds it; what the others log goes nowhere. UserError where it is
    moved or deleted meanwhile.
    """
    with ExitStack() as until:
        if ranks.first:
            until.enter_context(only_one(run))
            if written_config(run) != before:
                raise Taken(
                    f"{run}: meanwhile another training has started or changed here. To resume "
                    f"that one: {resuming(run)}"
                )
            ends.complete(run)
            found = checkpoint.repaired(run, progress.say)
            if found:
                check_pieces(run, prepared)
            else:
                ends.check_checkpoint(run)
                write_start(cfg, run, prepared)
            (run / FAILURE).unlink(missing_ok=True)
        ranks.wait()
        found = same_checkpoints(run, ranks)
        place = run if ranks.first else Path(until.enter_context(TemporaryDirectory()))
        step = found[-1].position.step if found else 0
        until.enter_context(quiet_writers())
        log = until.enter_context(Logger(place, step))
        try:
            yield log, found
        except Exception:
            log.check()  # what went wrong, where the folder is gone
            raise


def written_config(run: Path) -> bytes | None:
    """Return config.yaml as it lies in a folder, which tells trainings apart; None: no file."""
    path = run / CONFIG
    return path.read_bytes() if path.is_file() else None


def write_start(cfg: DictConfig, run: Path, prepared: Prepared) -> None:
    """Write what explains the run before it has learned anything.

    The configuration comes last: a folder that has it can be resumed.
    """
    for side, tokenizer in sides(prepared).items():
        tokenizer.save(run / TOKENIZERS, side)
        sync(run / TOKENIZERS / f"{side}.model")
    write_config(cfg, run)


def write_config(cfg: DictConfig, run: Path) -> None:
    """Write the configuration that a run trains with from here on."""
    write(run / CONFIG, OmegaConf.to_yaml(stored(cfg)))


def check_pieces(run: Path, prepared: Prepared) -> None:
    """Raise UserError where a run has learned from another text: its pieces would be others."""
    for side, tokenizer in sides(prepared).items():
        path = run / TOKENIZERS / f"{side}.model"
        if path.read_bytes() != tokenizer.model:
            raise UserError(
                f"{path} no longer matches the corpus: the text or the sentencepiece version "
                "has changed. Restore the text (data.dir=, data.train=), or start a new run: "
                f"nmt train from={as_typed(run)}"
            )


def sides(prepared: Prepared) -> dict[str, Tokenizer]:
    """Return the tokenizers by the names of their files."""
    return {"source": prepared.source_tokenizer, "target": prepared.target_tokenizer}


def same_checkpoints(run: Path, ranks: Ranks) -> list[checkpoint.Checkpoint]:
    """Return the checkpoints of a run, oldest first. UserError where not all ``ranks`` see them."""
    found = checkpoint.checkpoints(run)
    steps = [one.position.step for one in found]
    if any(others != steps for others in ranks.gathered(steps)):
        raise UserError(
            f"{run}: some processes cannot see its checkpoints: put it on a disk that all "
            "machines share (hydra.run.dir=)"
        )
    return found
