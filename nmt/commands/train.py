"""nmt train: a new run, several of them, or one that goes on."""

import errno
import re
import sys
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from nmt.commands.again import repeated
from nmt.commands.changes import with_values
from nmt.commands.errors import reporting_mistakes
from nmt.commands.sweep import attempt, conclude, fixed_keys
from nmt.config import register_schema
from nmt.errors import UserError
from nmt.experiment import ended, train
from nmt.files import as_typed
from nmt.report.console import console
from nmt.run import CONFIG, check_checkpoints, read_config
from nmt.training.ranks import Ranks, connected, several
from nmt.training.signals import Signals, Stop
from nmt.yamls import config_folder

CHANGEABLE = ("train", "decode", "device", "precision", "cache")  # when a run goes on, but for …
PLACES = ("data.dir", "data.train", "data.dev", "data.test")  # of the same files, moved
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk without room says
NO_ROOM_TO_TRANSLATE = (
    "the device has too little memory to translate: lower decode.batch_size, decode.batch_tokens "
    "or decode.beam"
)
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
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        if several():
            raise UserError("a sweep (-m) runs in one process: leave torchrun out, or leave -m out")
        again = f"the same words, with hydra.sweep.dir={as_typed(run.parent)}"
        return attempt(cfg, run, lambda: train_in(cfg, run, again))
    return begin(cfg, run)


def begin(cfg: DictConfig, run: Path) -> float:
    """Train in a new folder. UserError where it holds a run."""
    again = f"nmt train resume={as_typed(run)}"
    if (run / CONFIG).exists():
        raise UserError(
            f"{run} holds a run already: `{again}` goes on with it, "
            "hydra.run.dir=<folder> begins another elsewhere"
        )
    return train_in(cfg, run, again)


def given(words: list[str], prefix: str) -> list[str]:
    """Return what stands behind a prefix in the words that have it."""
    return [word.removeprefix(prefix) for word in words if word.startswith(prefix)]


def as_choice(word: str) -> str:
    """`model.self_attention=cosine` in Hydra's words: a choice of configs/attention put there."""
    found = re.fullmatch(r"model\.(self|cross)_attention=([a-z]\w*(?:,[a-z]\w*)*)", word)
    if not found or found[2] == "null":
        return word
    return f"+attention@model.{found[1]}_attention={found[2]}"


def go_on(run: Path, overrides: list[str]) -> None:
    """Go on with a run, or say that it has ended."""
    cfg = resumed_config(run, overrides)
    check_checkpoints(cfg, run)
    limit = ended(cfg, run)
    if limit:
        console().print(
            f"{run} has ended ({limit}); its scores are in {run / 'result.json'}. "
            f"To train on, raise the limit: nmt train resume={as_typed(run)} train.max_steps=…",
            markup=False,
        )
    else:
        train_in(cfg, run, f"nmt train resume={as_typed(run)}")


def train_in(cfg: DictConfig, run: Path, again: str) -> float:
    """Train in a folder, which does not stay where nothing came of it.

    ``again`` is what to type to go on after an interrupt.
    """
    ranks = Ranks()
    try:
        with connected(cfg.seed, cfg.device, cfg.train.shard) as ranks, Signals() as signals:
            run = ranks.agreed(run)
            return train(cfg, run, console(quiet=not ranks.first), signals, ranks)
    except (Stop, KeyboardInterrupt) as end:
        stopped = isinstance(end, Stop)
        if not (run / CONFIG).exists():
            raise KeyboardInterrupt from end  # nothing to go on with
        if ranks.first:
            told = f"nmt: {end if stopped else 'interrupted'}; to go on: {again}"
            console().print(told, markup=False)
        sys.exit(0 if stopped else 130)
    except torch.OutOfMemoryError as error:
        raise UserError(NO_ROOM_TO_TRANSLATE) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{run}: {error.strerror}. What was written stays; where there is room again: {again}"
        ) from error
    finally:
        remove_empty(run)


def remove_empty(run: Path) -> None:
    """Remove a run folder in which nothing came about, and those above it in the current folder."""
    here = Path.cwd()
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
            raise UserError(
                f"{override} cannot change when a run goes on: {', '.join(CHANGEABLE)} can, but "
                f"for {' and '.join(FIXED)}, and where files of data are. For another experiment "
                "start a new run."
            )
    return with_values(cfg, overrides)
