"""A translator made of a run folder."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Self

import hydra.utils
import torch
from omegaconf import DictConfig
from torch import Tensor

from nmt.data.pairs import asked_for, asking_for, piece_of, targets_of
from nmt.data.text import shortened
from nmt.data.tokenizer import Tokenizer
from nmt.decoding.decode import Decode
from nmt.decoding.graphs import StepRecorder, cuda_graphs
from nmt.decoding.long_lines import LongLines
from nmt.decoding.search import RecordSteps
from nmt.decoding.translate import Translation, chunks, translate
from nmt.errors import UserError, one_of
from nmt.hardware.memory import TO_TRANSLATE, enough_memory
from nmt.hardware.runtime import autocast, kernels, pick_device, pick_precision
from nmt.metrics.pairwise import utility_of
from nmt.models.attention_maps import AttentionMap, attention_maps
from nmt.models.contributions import Maps
from nmt.models.ensemble import MEANS, Ensemble
from nmt.models.packed import packed
from nmt.models.seq2seq import Seq2Seq
from nmt.models.without_memory import without_memory
from nmt.runs.checkpoint import MODEL, checkpoints, load_tensors, unless_damaged
from nmt.runs.folder import (
    CONFIG,
    best_checkpoint,
    load_tokenizers,
    of_file,
    read_config,
    trained_on,
)
from nmt.runs.tensors import check_tensors
from nmt.training.ranks import Ranks


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
    targets: tuple[str, ...] = ()  # languages that a source asks for by its first piece; or none

    def __call__(
        self, lines: list[str], decode: Decode, prefixes: list[str] | None = None
    ) -> list[list[Translation]]:
        """Translate lines; the ``decode.n_best`` best translations of each.

        They begin with ``prefixes``, one per line. Each of the ``ranks`` translates its share, and
        has all. Of long lines it warns in the first text that has some: later ones may be parts of
        it.
        """
        self.long.number = 0
        with enough_memory(TO_TRANSLATE), self.evaluating() as record:
            prefixes = self.ranks.mine(prefixes) if prefixes else None
            found = self.translated(self.ranks.mine(lines), decode, record, self.long, prefixes)
        return self.ranks.merged(found)

    def stream(
        self,
        lines: Iterable[str],
        decode: Decode,
        chunk: int,
        prefixes: Iterable[str] | None = None,
    ) -> Iterator[list[Translation]]:
        """Translate any number of lines, ``chunk`` of them at a time, in constant memory.

        Exactly one list of translations for each line, in order; with ``chunk=1`` a line is
        answered before the next is read, as a terminal needs it. While nobody asks for more, torch
        and the model are as they were: streams may be read in turns. Of ``prefixes`` one is read
        behind each line.
        """
        record, long = self.recorder(), LongLines(self.long.trained)
        begun = None if prefixes is None else iter(prefixes)
        for read in chunks(lines, chunk):
            with enough_memory(TO_TRANSLATE), self.evaluating(record):
                some = None if begun is None else list(islice(begun, len(read)))
                found = self.translated(read, decode, record, long, some)
            yield from found

    def translated(
        self,
        lines: list[str],
        decode: Decode,
        record: RecordSteps | None,
        long: LongLines,
        prefixes: list[str] | None = None,
    ) -> list[list[Translation]]:
        """Translate lines in this process; see :func:`translate`."""
        self.require_asking(lines, count(long.number + 1))
        tokenizers = self.source_tokenizer, self.target_tokenizer
        mbr = decode.method == "mbr"
        utility = utility_of(decode.utility, self.target_language) if mbr else None
        return translate(
            self.model, *tokenizers, lines, decode, self.device, record, long, prefixes, utility
        )

    @property
    def languages(self) -> str:
        """What is translated into what, in words: de → en."""
        return f"{self.source_language} → {' '.join(self.targets) or self.target_language}"

    def into(self, language: str | None) -> Self:
        """Return what translates into one of the languages of a model of several.

        None: into those that the lines ask for, or into the only one. UserError for a language that
        the model does not write.
        """
        if language is None:
            return self
        if language not in (self.targets or (self.target_language,)):
            known = " ".join(self.targets or (self.target_language,))
            raise UserError(f"to={language}: this model translates into {known}")
        return replace(self, target_language=language)

    def asking(self, lines: Iterable[str], language: str | None) -> Iterator[str]:
        """Yield lines which ask for a language, where the model has several pairs of languages.

        None: for the only one, if it is one. A line that asks for a language stays as it is.
        """
        if language is None and len(self.targets) == 1:
            (language,) = self.targets
        for line in lines:
            if self.targets and language and not asked_for(line, self.targets):
                (line,) = asking_for(language, [line])
            yield line

    def require_asking(self, lines: Sequence[str], numbers: Iterable[int] | None = None) -> None:
        """Raise UserError, with its number, for a line that asks for no language, but has to.

        numbers: of the lines; None: 1, 2, …
        """
        numbers = count(1) if numbers is None else numbers
        for number, line in zip(numbers, lines if self.targets else (), strict=False):
            if line.strip() and not asked_for(line, self.targets):
                pieces = " or ".join(map(piece_of, self.targets))
                raise UserError(
                    f"line {number:,} begins with none of {pieces}, which say what it is to be "
                    f"translated into. Give to={self.targets[0]}, or put the piece before it: "
                    f"{shortened(line.strip(), 50)}"
                )

    def attention(
        self, source: Tensor, target: Tensor, maps: Maps = attention_maps
    ) -> list[AttentionMap]:
        """Force the model on a batch and return where it looked; see :func:`attention_maps`."""
        with self.inferring():
            return maps(self.model, source.to(self.device), target.to(self.device))

    @property
    def together(self) -> bool:
        """Whether it is an ensemble, of which no single attention can be shown."""
        return isinstance(self.model, Ensemble)

    @contextmanager
    def evaluating(self, record: RecordSteps | None = None) -> Iterator[RecordSteps | None]:
        """Compute as in :meth:`inferring`, with what pays where many passes follow.

        On a CPU weights are laid out. It gives what records the steps of searches: ``record``, or a
        new one.
        """
        with self.inferring(), packed(self.model, self.precision):
            yield record or self.recorder()

    def recorder(self) -> RecordSteps | None:
        """Return what records the steps of searches on a GPU, as long as the weights stay there."""
        return StepRecorder(cuda_graphs()) if self.device.type == "cuda" else None

    @contextmanager
    def inferring(self) -> Iterator[None]:
        """Compute without dropout and gradients, in the run's precision, inside the block."""
        training = self.model.training
        self.model.eval()
        try:
            with (
                kernels(self.device),
                torch.inference_mode(),
                autocast(self.device, self.precision),
            ):
                yield
        finally:
            self.model.train(training)


def build_model(cfg: DictConfig, source: Sized, target: Sized) -> Seq2Seq:
    """Build the configured model for vocabularies of these sizes."""
    make = hydra.utils.instantiate(cfg.model)
    return make(source_vocabulary=len(source), target_vocabulary=len(target))


def weightless(cfg: DictConfig, run: Path, source: Sized, target: Sized) -> Seq2Seq:
    """Build a run's model without memory, so that absurd sizes in its configuration ask for none.

    UserError where it cannot be built.
    """
    with of_file(run / CONFIG), without_memory():
        return build_model(cfg, source, target)


def open_runs(
    runs: Sequence[Path], device_name: str, precision: str, mean: str | None = None
) -> Translator:
    """Load runs whose models translate together, see :class:`Ensemble`; one run as it is.

    ``mean`` is one of MEANS; None: arithmetic. UserError for runs of other languages or other
    vocabularies than the first, and for a ``mean`` of a single run.
    """
    if len(runs) == 1:
        if mean is not None:
            raise UserError(f"mean={mean} is for several runs, run=[{runs[0]},…]: remove it")
        return open_run(runs[0], device_name, precision)
    mean = mean or "arithmetic"
    one_of(tuple(MEANS), {"mean": mean})
    first, *others = opened = [open_run(run, device_name, precision) for run in runs]
    for run, other in zip(runs[1:], others, strict=True):
        check_together(first, other, f"{runs[0]} and {run}", runs[0])
    trained = [one.long.trained for one in opened if one.long.trained is not None]
    return replace(
        first,
        model=Ensemble([one.model for one in opened], MEANS[mean]).eval(),
        weights=None,
        long=LongLines(min(trained, default=None)),
    )


def check_together(first: Translator, other: Translator, both: str, named: Path) -> None:
    """Raise UserError for models whose probabilities are not of the same pieces."""
    directions = [
        f"{one.source_language} to {' '.join(one.targets or (one.target_language,))}"
        for one in (first, other)
    ]
    if directions[0] != directions[1] or first.targets != other.targets:
        raise UserError(
            f"{both} translate {directions[0]} and {directions[1]}: an ensemble needs a single "
            "direction"
        )
    for side, why in (
        ("target", "their probabilities are for different pieces"),
        ("source", "an ensemble segments a source only once"),
    ):
        models = [getattr(one, f"{side}_tokenizer").model for one in (first, other)]
        if models[0] != models[1]:
            raise UserError(
                f"{both} have different {side} vocabularies, and {why}: train with "
                f"tokenizer.run={named}"
            )


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
        targets=tuple(targets_of(cfg.data.get("pairs"))),
    )
