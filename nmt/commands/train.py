"""nmt train: a new run, several of them, or one that goes on."""

import errno
import sys
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nmt.commands.again import repeated
from nmt.commands.changes import is_choice, with_values
from nmt.commands.errors import reporting_mistakes
from nmt.commands.sweep import attempt, conclude, fixed_keys
from nmt.config.own import words_again
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.experiment.ends import ended
from nmt.experiment.experiment import train
from nmt.experiment.opening import written_config
from nmt.hardware.memory import FOR_THE_MODEL, enough_memory
from nmt.run import check_checkpoints
from nmt.runs.files import as_typed
from nmt.runs.folder import CONFIG, read_config
from nmt.terminal.console import console, tell
from nmt.training.advice import NeedsOtherSettings
from nmt.training.process_group import connected, several
from nmt.training.ranks import Ranks
from nmt.training.signals import Signals, Stop

CHANGEABLE = ("train", "decode", "device", "precision", "cache")  # when a run goes on, but for …
PLACES = ("data.dir", "data.train", "data.dev", "data.test")  # of the same files, moved
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk without room says
FIXED = ("train.max_tokens", "train.watch")  # what the position in the data, the best score mean


def main() -> None:
    """Run `nmt train`."""
    words = sys.argv[1:]
    resumed, repeats = given(words, "resume="), given(words, "from=")
    others = [word for word in words if not word.startswith(("resume=", "from="))]
    if resumed and repeats:
        raise UserError("resume= goes on with a run and from= begins one: leave one of them out")
    if resumed:
        go_on(Path(resumed[-1]), others)
        return
    if repeats:
        begin(*repeated(Path(repeats[-1]), others))
        return
    words = [as_choice(word) for word in words]
    sys.argv[1:] = [*words, fixed_keys(words)]
    register_schema()
    new_run()
    conclude()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")
@reporting_mistakes
def new_run(cfg: DictConfig) -> float:
    """Train in the folder that Hydra made; return the best dev score, for sweepers."""
    run = Path(HydraConfig.get().runtime.output_dir)
    before = written_config(run)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        if several():
            raise UserError("a sweep (-m) runs in one process: leave torchrun out, or leave -m out")
        again = f"the same words, with hydra.sweep.dir={as_typed(run.parent)}"
        return attempt(cfg, run, lambda: train_in(cfg, run, before, again))
    return begin(cfg, run)


def begin(cfg: DictConfig, run: Path) -> float:
    """Train in a new folder. UserError where it holds a run."""
    again = resuming(run)
    if (run / CONFIG).exists():
        raise UserError(
            f"{run} holds a run already: `{again}` goes on with it, "
            "hydra.run.dir=<folder> begins another elsewhere"
        )
    return train_in(cfg, run, None, again)


def resuming(run: Path) -> str:
    """Return what to type to resume a run."""
    return " ".join([f"nmt train resume={as_typed(run)}", *words_again()])


def given(words: list[str], prefix: str) -> list[str]:
    """Return what stands behind a prefix in the words that have it."""
    return [word.removeprefix(prefix) for word in words if word.startswith(prefix)]


def go_on(run: Path, overrides: list[str]) -> None:
    """Go on with a run, or say that it has ended."""
    before = written_config(run)
    cfg = resumed_config(run, overrides)
    check_checkpoints(cfg, run)
    end = ended(cfg, run)
    if end:
        console().print(
            f"{run} has ended ({end.limit}); its scores are in {run / 'result.json'}. "
            f"To train on: {resuming(run)} {' '.join(end.higher)}",
            markup=False,
        )
    else:
        train_in(cfg, run, before, resuming(run))


def train_in(cfg: DictConfig, run: Path, before: bytes | None, again: str) -> float:
    """Train in a folder, which does not stay where nothing came of it.

    ``before`` is the config.yaml that was found there, ``again`` what to type to go on after an
    interrupt.
    """
    ranks, own = Ranks(), run
    try:
        with connected(cfg.seed, cfg.device, cfg.train.shard) as ranks, Signals() as signals:
            run = ranks.agreed(run)
            with enough_memory(FOR_THE_MODEL):
                return train(cfg, run, before, console(quiet=not ranks.first), signals, ranks)
    except (Stop, KeyboardInterrupt) as end:
        stopped = isinstance(end, Stop)
        if not (run / CONFIG).exists():
            raise KeyboardInterrupt from end  # nothing to go on with
        if ranks.first:
            tell(f"{end if stopped else 'interrupted'}; to resume: {again}")
        sys.exit(0 if stopped else 130)
    except NeedsOtherSettings as error:
        raise UserError(error.with_commands(run)) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{run}: {error.strerror}. What was written stays; where there is room again: {again}"
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


def resumed_config(run: Path, overrides: list[str]) -> DictConfig:
    """Read the configuration of a run that goes on. UserError for a change that it cannot have."""
    cfg = read_config(run)
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals:
            raise UserError(f"{override}: beside resume= there are only settings, KEY=VALUE")
        if key in ("train", "decode"):
            raise UserError(f"{override}: when a run goes on, give one key, such as decode.beam=1")
        changeable = key.split(".")[0] in CHANGEABLE or key in PLACES
        if not changeable or key in FIXED:
            single = OmegaConf.select(cfg, key) is not None and not is_choice(cfg, key)
            anew = f"nmt train from={as_typed(run)} {override}" if single else "nmt train ..."
            raise UserError(
                f"{override} cannot change when a run goes on: {', '.join(CHANGEABLE)} can, but "
                f"for {' and '.join(FIXED)}, and where files of data are. To begin another run: "
                f"{anew}"
            )
    return with_values(cfg, overrides)
