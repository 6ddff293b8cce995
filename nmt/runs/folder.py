"""A run folder: the files of a training.

config.yaml           the resolved configuration, and the format of the folder
tokenizer/            SentencePiece models
checkpoints/          see nmt.runs.checkpoint
model.safetensors     the final model, while training has ended
metrics.jsonl         every number that was logged
events.out.tfevents.* the same and pictures, for TensorBoard; an older run has them in tensorboard/
hypotheses.txt        the test set's translations       result.json   their scores
sources.txt, references.txt, losses.txt: a line for each line of hypotheses.txt; a loss is that
                      of the reference in nats, and its pieces
dropped.tsv           source words without a counterpart, see nmt.evaluation.words
frequencies.tsv       how often the training text has the words of the test
words/                words of the training text, see nmt.evaluation.training_words
heatmaps/             PNG, and attention.json of each evaluation
explorer.html         all attention of the test and of the evaluations, interactive
ends/                 files from before training continued past an end, see nmt.experiment.ends
failure.txt           why a run of a sweep failed
not_finite.tsv        the sentences of the update that ended a training that diverged
lock                  held while a process trains here
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmt.config.check import check, explain
from nmt.config.schema import Root
from nmt.data.tokenizer import Tokenizer
from nmt.errors import UserError
from nmt.runs.checkpoint import MODEL, Checkpoint, better_first, checkpoints
from nmt.runs.files import damage, resuming
from nmt.runs.foreign import read_json, read_yaml, refuse_links, without_format
from nmt.runs.lifting import FORMAT

CONFIG = "config.yaml"
RESULT = "result.json"
FAILURE = "failure.txt"
EVENT_FILES = "events.out.tfevents.*"
TOKENIZERS = "tokenizer"


def stored(cfg: DictConfig) -> dict[str, Any]:
    """Return a configuration as run folders store it: resolved, without settings of the machine."""
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    return {"format": FORMAT, **content, "cache": None}


def stored_config(run: Path) -> dict[str, Any]:
    """Read the configuration of a run folder, which may be of an older nmt, as plain values.

    UserError where the folder is not a run, or has files that were not written by a run.
    """
    path = run / CONFIG
    if not path.is_file():
        reason = "it has no config.yaml" if run.is_dir() else "there is no such folder"
        raise UserError(f"{run} is not a run folder: {reason}. `nmt train` makes one.")
    refuse_links(run)
    return without_format(read_yaml(path), path)


def read_config(run: Path) -> DictConfig:
    """Read the configuration of a run folder. UserError where it cannot be used here."""
    return as_config(stored_config(run), run / CONFIG)


def as_config(content: dict[str, Any], path: Path) -> DictConfig:
    """Make a configuration of the content of a file. UserError, with the file, if it is not one."""
    with of_file(path):
        cfg = OmegaConf.merge(schema(), content)
        assert isinstance(cfg, DictConfig)
        check(cfg)
        if not cfg.model or not cfg.data:
            raise UserError("it is not the configuration of a run, which has model and data")
        OmegaConf.to_object(cfg)  # checks the values of the typed parts
    return cfg


@cache
def schema() -> DictConfig:
    """Return the typed parts of every configuration, to merge into: `merge` changes a copy."""
    return OmegaConf.structured(Root)


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Add the name of the file to errors in its settings inside the block."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise UserError(f"{path}: {explain(error)}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except InstantiationException as error:  # around what a part's class raised
        if isinstance(error.__cause__, UserError):
            raise UserError(f"{path}: {error.__cause__}") from error
        raise


def load_tokenizers(run: Path) -> tuple[Tokenizer, Tokenizer]:
    """Read the tokenizers of a run, source and target. UserError where they are damaged."""
    folder = run / TOKENIZERS
    try:
        source, target = (Tokenizer.load(folder, side) for side in ("source", "target"))
        for one in (source, target):
            one.pieces(range(len(one)))  # are decoded only now, and may not be UTF-8
    except (RuntimeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} has a damaged SentencePiece model: {error}") from error
    if not len(source) or not len(target):
        raise UserError(f"{folder} has an empty SentencePiece model")
    return source, target


def result_step(run: Path) -> int | None:
    """Return the number of updates of a run's result; None: it has none, or does not say."""
    path = run / RESULT
    step = read_json(path).get("steps") if path.is_file() else None
    return step if type(step) is int else None


def trained_on(run: Path) -> bool:
    """Tell whether a run is unfinished again: it has a checkpoint of a later step than its result.

    This can only come from older versions of nmt, see :mod:`nmt.experiment.ends`.
    """
    step = result_step(run)
    return step is not None and any(one.position.step > step for one in checkpoints(run))


def best_checkpoint(run: Path, watch: str) -> Checkpoint:
    """Return the best undamaged checkpoint, or the newest if none was measured on dev.

    UserError where there is none.
    """
    found = checkpoints(run)
    for one in [*better_first(found, watch), *found[::-1]]:
        harm = damage(one.folder)
        if not harm:
            return one
        logging.getLogger(__name__).warning("%s is damaged (%s): ignored", one.folder, harm)
    raise UserError(
        f"{run} has neither {MODEL} nor a checkpoint: training stopped before the first "
        f"checkpoint. Resume it: {resuming(run)}"
    )
