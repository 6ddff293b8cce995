"""A run folder: what a training leaves, and a translator made of it.

config.yaml           the resolved configuration, and the format of the folder
tokenizer/            SentencePiece models
checkpoints/          see nmt.runs.checkpoint
model.safetensors     the final model, while training has ended
metrics.jsonl         every number that was logged      tensorboard/  the same as events
hypotheses.txt        the test set's translations       result.json   their scores
sources.txt, references.txt, losses.txt: a line for each line of hypotheses.txt; a loss is that
                      of the reference in nats, and its pieces
heatmaps/             PNG
ends/                 what lay here when training went past an end, see nmt.experiment.ends
failure.txt           why a run of a sweep failed
not_finite.tsv        the sentences of the update that ended a training that diverged
lock                  held while a process trains here
"""

import logging
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra.utils
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

from nmt.config.check import check, explain
from nmt.config.schema import Root
from nmt.data.tokenizer import Tokenizer
from nmt.decoding.graphs import Recorder, cuda_graphs
from nmt.decoding.long_lines import LongLines
from nmt.decoding.search import Record
from nmt.decoding.translate import Decode, Translation, chunks, translate
from nmt.errors import UserError
from nmt.hardware.memory import TO_TRANSLATE, enough_memory
from nmt.hardware.runtime import autocast, pick_device, pick_precision, prepare_process
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.packed import packed
from nmt.models.seq2seq import Seq2Seq
from nmt.runs.checkpoint import (
    MODEL,
    Checkpoint,
    better_first,
    checkpoints,
    load_tensors,
    unless_damaged,
)
from nmt.runs.files import damage
from nmt.runs.foreign import FORMAT, read_json, read_yaml, refuse_links, without_format
from nmt.runs.tensors import check_tensors
from nmt.training.ranks import Ranks

CONFIG = "config.yaml"
RESULT = "result.json"
FAILURE = "failure.txt"
TOKENIZERS = "tokenizer"


@dataclass
class Translator:
    """A model with all that turns text into text; see :meth:`__call__`."""

    model: Seq2Seq
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    source_language: str
    target_language: str
    device: torch.device
    precision: torch.dtype
    ranks: Ranks = field(default_factory=Ranks)
    weights: str | None = None  # where they lie in a run folder; None: they are in training
    long: LongLines = field(default_factory=LongLines)

    def __call__(self, lines: list[str], decode: Decode) -> list[list[Translation]]:
        """Translate lines; the ``decode.n_best`` best translations of each.

        Each of the ``ranks`` translates its share, and has all. Of long lines it warns in the first
        text that has some: later ones may be parts of it.
        """
        self.long.number = 0
        with enough_memory(TO_TRANSLATE), self.evaluating() as record:
            found = self.translated(self.ranks.share(lines), decode, record, self.long)
        return self.ranks.merged(found)

    def stream(
        self, lines: Iterable[str], decode: Decode, chunk: int
    ) -> Iterator[list[Translation]]:
        """Translate any number of lines, ``chunk`` of them at a time, in constant memory.

        Exactly one list of translations for each line, in order; with ``chunk=1`` a line is
        answered before the next is read, as a terminal needs it. While nobody asks for more, torch
        and the model are as they were: streams may be read in turns.
        """
        record, long = self.recorder(), LongLines(self.long.trained)
        for read in chunks(lines, chunk):
            with enough_memory(TO_TRANSLATE), self.evaluating(record):
                found = self.translated(read, decode, record, long)
            yield from found

    def translated(
        self, lines: list[str], decode: Decode, record: Record | None, long: LongLines
    ) -> list[list[Translation]]:
        """Translate lines in this process; see :func:`translate`."""
        tokenizers = self.source_tokenizer, self.target_tokenizer
        return translate(self.model, *tokenizers, lines, decode, self.device, record, long)

    def attention(self, source: Tensor, target: Tensor) -> list[AttentionMap]:
        """Force the model on a batch and return where it looked; see :func:`attention_maps`."""
        with self.inferring():
            return attention_maps(self.model, source.to(self.device), target.to(self.device))

    @contextmanager
    def evaluating(self, record: Record | None = None) -> Iterator[Record | None]:
        """Compute as in :meth:`inferring`, with what pays where many passes follow.

        On a CPU weights are laid out. It gives what records the steps of searches: ``record``, or a
        new one.
        """
        with self.inferring(), packed(self.model, self.precision):
            yield record or self.recorder()

    def recorder(self) -> Record | None:
        """Return what records the steps of searches on a GPU, as long as the weights stay there."""
        return Recorder(cuda_graphs()) if self.device.type == "cuda" else None

    @contextmanager
    def inferring(self) -> Iterator[None]:
        """Compute without dropout and gradients, in the run's precision, inside the block."""
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode(), autocast(self.device, self.precision):
                yield
        finally:
            self.model.train(training)


def build_model(cfg: DictConfig, source: Sized, target: Sized) -> Seq2Seq:
    """Build the configured model for vocabularies of these sizes."""
    make = hydra.utils.instantiate(cfg.model)
    return make(source_vocabulary=len(source), target_vocabulary=len(target))


def stored(cfg: DictConfig) -> dict[str, Any]:
    """Return a configuration as a run folder keeps it: resolved, and of no machine."""
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    return {"format": FORMAT, **content, "cache": None}


def stored_config(run: Path) -> dict[str, Any]:
    """Read the configuration of a run folder, which may be of an older nmt, as plain values.

    UserError where the folder is no run, or holds what was not written by a run.
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
    """Make a configuration of what a file holds. UserError, with the file, where it is none."""
    with of_file(path):
        cfg = OmegaConf.merge(OmegaConf.structured(Root), content)
        assert isinstance(cfg, DictConfig)
        check(cfg)
        if not cfg.model or not cfg.data:
            raise UserError("it is not the configuration of a run, which has model and data")
        OmegaConf.to_object(cfg)  # checks the values of the typed parts
    return cfg


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Name the file in what turns out to be wrong with its settings inside the block."""
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
            one.pieces(range(len(one)))  # are decoded no sooner, and may not be UTF-8
    except (RuntimeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} has a damaged SentencePiece model: {error}") from error
    if not len(source) or not len(target):
        raise UserError(f"{folder} has a SentencePiece model that is empty")
    return source, target


def weightless(cfg: DictConfig, run: Path, source: Sized, target: Sized) -> Seq2Seq:
    """Build a run's model without memory, so that absurd sizes in its configuration ask for none.

    UserError where it cannot be built.
    """
    with of_file(run / CONFIG), torch.device("meta"):
        return build_model(cfg, source, target)


def check_checkpoints(cfg: DictConfig, run: Path) -> None:
    """Raise UserError where a checkpoint of a run that the disk has kept is not of its model."""
    found = checkpoints(run)
    if not found:
        return
    model = weightless(cfg, run, *load_tokenizers(run))
    for one in found:
        with unless_damaged(one.folder):
            for path in sorted({one.folder / MODEL, one.weights}):
                check_tensors(model, path)


def open_run(run: Path, device_name: str, precision: str) -> Translator:
    """Load a run's final model, or its best checkpoint while training has not ended."""
    cfg = read_config(run)
    device = pick_device(device_name)
    prepare_process(device)
    path = run / MODEL
    if not path.is_file() or trained_on(run):
        path = best_checkpoint(run, cfg.train.watch).weights
    source, target = load_tokenizers(run)
    check_tensors(weightless(cfg, run, source, target), path)
    model = build_model(cfg, source, target).to(device)
    load_tensors(model, path)
    dtype = pick_precision(precision, device)
    return Translator(
        model,
        source,
        target,
        cfg.data.source,
        cfg.data.target,
        device,
        dtype,
        weights=path.relative_to(run).as_posix(),
        long=LongLines(cfg.clean.max_pieces),
    )


def result_step(run: Path) -> int | None:
    """Return how many updates there were before a run's result; None: it has none that says so."""
    path = run / RESULT
    step = read_json(path).get("steps") if path.is_file() else None
    return step if type(step) is int else None


def trained_on(run: Path) -> bool:
    """Tell whether a run has a checkpoint of a later step than its result: it is unfinished again.

    No training leaves that any more, see :mod:`nmt.experiment.ends`; those of older versions of
    nmt could.
    """
    step = result_step(run)
    return step is not None and any(one.position.step > step for one in checkpoints(run))


def best_checkpoint(run: Path, watch: str) -> Checkpoint:
    """Return the best whole checkpoint, the newest where none was measured on dev.

    UserError where there is none.
    """
    found = checkpoints(run)
    for one in [*better_first(found, watch), *found[::-1]]:
        harm = damage(one.folder)
        if not harm:
            return one
        logging.getLogger(__name__).warning("%s is damaged (%s): left out", one.folder, harm)
    raise UserError(f"{run} has neither {MODEL} nor a checkpoint: its training has not got far")
