"""The schema of the configuration: every key whose type is fixed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import cache
from pydoc import locate
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from nmt.config.study import Study
from nmt.data.bible import Bible
from nmt.data.clean import Clean
from nmt.data.files import Files
from nmt.data.greek_nt import GreekNt
from nmt.data.hub import Hub
from nmt.data.kftt import Kftt
from nmt.data.multi30k import Multi30k
from nmt.data.stream import Stream
from nmt.data.synthetic import Synthetic
from nmt.data.tokenizer import TokenizerConfig
from nmt.decoding.decode import Decode
from nmt.decoding.length import LENGTH_NORMS
from nmt.errors import UserError, above_zero, at_least, at_most, one_of, share
from nmt.links.bitext import BitextFiles
from nmt.links.symmetrize import SYMMETRIZATIONS
from nmt.models.contributions import MEASURES

LONGEST_NAME = 200  # bytes of a folder; file systems end at 255
HEATMAP_SCALES = ("linear", "sqrt")  # of colours
CORPORA = {
    "bible": Bible,
    "files": Files,
    "greek_nt": GreekNt,
    "hub": Hub,
    "kftt": Kftt,
    "multi30k": Multi30k,
    "stream": Stream,
}


@dataclass
class Train:
    """One training: its updates, its end, what is measured and kept on the way."""

    max_tokens: int = 4096  # of a batch, a side, padding included
    accumulate: int = 1  # batches an update
    label_smoothing: float = 0.1  # share of a target's probability, spread evenly over all pieces
    clip_norm: float | None = 1.0  # of the gradient; null: none
    max_skipped: int = 10  # updates in a row whose loss or gradient is not finite: the end
    shard: bool = False  # several processes divide weights, gradients and optimizer state (FSDP)
    split_batches: bool = False  # halve a batch that the device has no memory for
    cuda_graphs: bool = True  # one process on a GPU records the passes over batches of a shape
    compile: bool = False  # on a GPU: torch.compile for Transformer layers and the loss
    ema: float | None = None  # decay, an update, of a moving average of the weights; null: none
    # The end is where the first of these is reached.
    max_steps: int | None = None  # updates; 0: test what the run begins with
    max_epochs: int | None = None  # passes over the training text
    max_pieces: int | None = None  # target pieces read, without padding
    max_minutes: float | None = None  # wall clock, evaluation included
    patience: int | None = None  # dev evaluations without a better one
    watch: str = "bleu"  # what is better on dev: bleu (higher) or loss (lower)
    evaluate_every: int = 500  # updates between dev evaluations; each writes a checkpoint
    log_every: int = 50  # updates between lines of metrics
    dev_beam: int = 1  # beam of the dev evaluations; the test takes decode.beam
    heatmaps: int = 4  # dev sentences whose attention is drawn at each evaluation
    heatmap_words: bool = False  # merge pieces to words
    heatmap_scale: str = "linear"  # of the colours; sqrt tells weak weights apart
    keep_last: int = 2  # newest checkpoints that are kept
    keep_best: int = 1  # checkpoints that are kept for their score on dev
    average: str = "best"  # the final model is the mean of these checkpoints: best or last

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what cannot be trained with."""
        at_least(1, self._settings("max_tokens", "accumulate", "max_epochs"))
        at_least(1, self._settings("max_pieces"))
        at_least(1, self._settings("patience", "evaluate_every", "log_every", "dev_beam"))
        at_least(1, self._settings("keep_last", "max_skipped"))
        at_least(0, self._settings("max_steps", "keep_best", "heatmaps"))
        at_most(2**24, self._settings("max_tokens"))
        at_most(1024, self._settings("dev_beam"))
        above_zero(self._settings("max_minutes", "clip_norm"))
        share(self._settings("label_smoothing"))
        if self.ema is not None:
            above_zero(self._settings("ema"))
            share(self._settings("ema"))
        one_of(("bleu", "loss"), self._settings("watch"))
        one_of(("best", "last"), self._settings("average"))
        one_of(HEATMAP_SCALES, self._settings("heatmap_scale"))

    def _settings(self, *names: str) -> dict[str, Any]:
        return {f"train.{name}": getattr(self, name) for name in names}


@dataclass
class Root:
    """What every configuration of a training has beside its pluggable parts."""

    data: Any = None  # the corpus
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    clean: Clean = field(default_factory=Clean)
    synthetic: Synthetic = field(default_factory=Synthetic)
    model: Any = None  # the network, RNN or Transformer, and its size
    cell: Any = None  # the recurrent layer of an RNN
    bridge: Any = None  # how an RNN's decoder starts from the encoder's states
    order: Any = None  # whether an RNN's decoder attends before its step or after it
    attention: Any = None  # the score F: how well a query matches a key
    normalize: Any = None  # how the scores of a query become weights
    window: Any = None  # which keys a query sees
    sink: Any = None  # a place beside the keys, for a query that finds nothing
    gate: Any = None  # what happens to the output of each head
    mix: Any = None  # how the weights of a head are made of several maps of scores
    encoder: Any = field(default_factory=dict)  # other choices for the encoder's self-attention
    decoder: Any = field(default_factory=dict)  # other choices for the decoder's self-attention
    cross: Any = field(default_factory=dict)  # other choices for source-target attention
    positions: Any = None  # how a Transformer knows the order of the pieces
    feed_forward: Any = None  # the network behind each attention of a Transformer
    residual: Any = None  # where a Transformer normalizes: before or behind each part
    norm: Any = None  # how a Transformer normalizes its states
    consistency: Any = None  # a second pass over each batch that has to agree with the first
    teacher: Any = None  # whose pieces the decoder reads in training
    guide: Any = None  # word alignments that teach one head where to look
    optimizer: Any = None  # how gradients change the weights
    schedule: Any = None  # how the learning rate changes during training
    train: Train = field(default_factory=Train)
    decode: Decode = field(default_factory=Decode)
    seed: int = 1  # of all random numbers of the training
    device: str = "auto"  # auto, cpu or cuda
    # bf16, fp32 (never TF32), or auto: bf16 where the hardware computes it
    precision: str = "auto"
    threads: int | None = None  # that compute on a CPU; null: OMP_NUM_THREADS, else one per core
    products: str = "auto"  # multiplies float32 on a CPU: onednn, torch, or auto: the faster
    init: str | None = None  # a run folder whose weights a new training begins with; null: new ones
    init_parts: list[str] | None = None  # the parts of init= that are taken; null: all
    deterministic: bool = False  # refuse kernels whose result may vary (a GPU's; a CPU has none)
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt


# Decode where everything may be left to the run.
DecodeChanges = make_dataclass(
    "DecodeChanges",
    [(key.name, key.type | None, None) for key in fields(Decode)],  # type: ignore[operator]
)


@dataclass
class Opened:
    """What every command that opens a trained model has."""

    run: str = MISSING  # the run folder; last: the newest below runs/
    device: str = "auto"  # auto, cpu or cuda
    precision: str = "auto"  # auto, bf16 or fp32


@dataclass
class Use(Opened):
    """What every command that translates with a trained model has."""

    decode: Any = field(default_factory=DecodeChanges)  # null: as in the run


@dataclass
class Together(Use):
    """What every command has that translates with a model, or with several together."""

    run: Any = MISSING  # the run folder, or a list of them: an ensemble
    mean: str | None = None  # of their probabilities: arithmetic or geometric; null: arithmetic


@dataclass
class Evaluate(Together):
    """`nmt evaluate`."""

    data: Any = None  # null: the run's own corpus
    split: str = "test"  # train, dev or test
    references: list[str] = field(default_factory=list)  # files: further ones, a line per sentence
    output: str | None = None  # folder; null: evaluation/<corpus>-<split>… in the run folder
    heatmaps: int = 4  # sentences whose attention is drawn
    heatmap_words: bool = False  # merge pieces to words
    heatmap_scale: str = "linear"  # or sqrt
    weights: str | None = None  # a file, .arrow or .npz: all attention weights
    of: str = "weights"  # what pictures and weights show: also norms, gradients
    without: list[str] = field(default_factory=list)  # heads that are switched off
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt


@dataclass
class Heads(Use):
    """`nmt heads`."""

    data: Any = None  # null: the run's own corpus
    split: str = "dev"  # train, dev or test
    measure: str = "loss"  # of the references; or bleu, of the translations
    sentences: int | None = 1000  # the first ones; null: all
    output: str | None = None  # folder; null: heads/<corpus>-<split>-<measure> in the run folder
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what means nothing."""
        one_of(("loss", "bleu"), {"measure": self.measure})
        at_least(1, {"sentences": self.sentences})


@dataclass
class Export:
    """`nmt export`."""

    run: Any = MISSING  # the run folder
    to: str = MISSING  # ctranslate2 or huggingface
    output: str | None = None  # folder; null: one named for the program, in the run folder
    quantization: str = "float32"  # of the weights; or int8, for ctranslate2


@dataclass
class Translate(Together):
    """`nmt translate`."""

    input: str | None = None  # a file, also .gz, .xz, .zst, .bz2; null: standard input
    output: str | None = None  # a file; null: standard output
    to: str | None = None  # the language, where the run has several (data.pairs)
    # What translations begin with: a file with a line per line, or column: behind a tab of the line
    prefix: str | None = None
    n_best: int | None = None  # above 1: lines of number, rank, score, text between tabs; null: 1
    heatmap: str | None = None  # a folder: each sentence's attention is drawn there
    heatmap_words: bool = False  # merge pieces to words
    heatmap_scale: str = "linear"  # or sqrt
    weights: str | None = None  # a file, .arrow or .npz: all attention weights
    of: str = "weights"  # what pictures, weights and links show: also norms, gradients
    links: str | None = None  # a file: word links of each translation, Pharaoh format
    layer: Any = None  # of the links, a number from 1; null for all three: what aligns best
    head: Any = None  # of the links, a number from 1
    shift: Any = None  # of the links: true reads a row where its piece is read, not predicted


@dataclass
class Score(Opened):
    """`nmt score`."""

    source: str | None = None  # files: one sentence per line, also .gz, .xz, .zst, .bz2
    target: str | None = None  # null for both: standard input, source and target between tabs
    candidates: str | None = None  # an n-best list for each line of source, to sort anew
    contrast: str | None = None  # lines of source, right target, wrong targets, between tabs
    output: str | None = None  # a file; null: standard output
    to: str | None = None  # the language of the targets, where the run has several (data.pairs)
    format: str = "text"  # or jsonl, with pieces
    length_penalty: float | None = None  # of candidates; null: decode.length_penalty of the run
    length_norm: str | None = None  # of candidates, wu or power; null: decode.length_norm
    max_pieces: int = 1024  # of a side; a longer one is refused

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what means nothing."""
        one_of(("text", "jsonl"), {"format": self.format})
        at_least(1, {"max_pieces": self.max_pieces})
        at_least(0, {"length_penalty": self.length_penalty})
        if self.length_norm is not None:
            one_of(tuple(LENGTH_NORMS), {"length_norm": self.length_norm})
        if self.contrast:
            self._alone("contrast", "source", "target", "candidates")
        if self.candidates:
            self._alone("candidates", "target")
        for key in ("length_penalty", "length_norm"):
            if getattr(self, key) is not None and not self.candidates:
                raise UserError(
                    f"{key}={getattr(self, key)} is for an n-best list: add candidates=FILE, or "
                    "remove it"
                )
        other = {"source": "candidates" if self.candidates else "target", "target": "source"}
        for key, needed in other.items():
            if getattr(self, key) and not getattr(self, needed):
                raise UserError(f"{key}={getattr(self, key)} needs {needed}=FILE")
        if self.candidates and not self.source:
            raise UserError(f"candidates={self.candidates} needs source=FILE")

    def _alone(self, given: str, *others: str) -> None:
        for key in others:
            if getattr(self, key):
                raise UserError(
                    f"{given}=FILE already has the targets: remove {key}={getattr(self, key)}"
                )


@dataclass
class Align(BitextFiles, Use):
    """`nmt align`; the files of `BitextFiles` stand for a test set."""

    data: Any = None  # null: the run's own corpus
    split: str = "test"  # train, dev or test
    dev: BitextFiles = field(default_factory=BitextFiles)  # null: the corpus's own gold links
    hypothesis: bool = False  # align the model's own translations; else the references
    to: str | None = None  # the language of the target, where the run has several (data.pairs)
    layer: Any = None  # a number from 1, hops count as layers; null: mean; best: on gold dev
    head: Any = None  # a number from 1; null: mean of all; best: on gold dev
    shift: Any = False  # read a piece's row where it is read, not where it is predicted; or best
    of: Any = "weights"  # what is read: weights, norms, gradients; or a list, for one table
    threshold: float | None = None  # link what has this weight; null: each word's largest
    reverse: str | None = None  # the run folder of the other direction
    symmetrize: str = "grow-diag-final-and"  # of two directions, in alignments.txt
    statistical: bool = False  # a statistical aligner beside it
    heatmaps: int = 4  # first sentences, drawn
    heatmap_scale: str = "linear"  # or sqrt
    weights: str | None = None  # a file, .arrow or .npz: all attention weights
    output: str | None = None  # folder; null: alignment/<corpus>-<split>… in the run folder
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what means nothing."""
        at_least(0, {"heatmaps": self.heatmaps})
        one_of(HEATMAP_SCALES, {"heatmap_scale": self.heatmap_scale})
        one_of(tuple(SYMMETRIZATIONS), {"symmetrize": self.symmetrize})
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UserError(f"threshold={self.threshold}: must be above 0 and at most 1")
        for of in self.measures():
            one_of(tuple(MEASURES), {"of": of})

    def measures(self) -> list[str]:
        """Return what is read of attention; alignments.txt has the links of the first."""
        return [str(one) for one in (self.of if isinstance(self.of, list) else [self.of])]


@dataclass
class Compare:
    """`nmt compare`."""

    folders: list[str] = field(default_factory=list)  # of runs, or above them
    baseline: str | None = None  # name of a variant; null: the first
    allow: list[str] = field(default_factory=list)  # to differ: data, test, tokenizer, …
    scores: list[str] = field(default_factory=list)  # files: a score a sentence, from elsewhere
    output: str | None = None  # folder; null: comparison/ in what was named
    sentences: list[int] = field(default_factory=list)  # of the atlas, from 1; none: by themselves
    num_sentences: int = 4  # where none are named: those whose translations differ most
    device: str = "auto"  # of the atlas: auto, cpu or cuda
    precision: str = "auto"  # of the atlas: auto, bf16 or fp32


@dataclass
class Explore:
    """`nmt explore`."""

    runs: list[str] = field(default_factory=list)  # run folders, or files of weights
    output: str | None = None  # a file; null: explorer.html in the folder, or above several
    sentences: list[int] = field(default_factory=list)  # of the test, from 1; none: what fits
    of: list[str] = field(default_factory=list)  # beside the weights: norms, gradients
    serve: bool = False  # translate what is typed, on this machine alone
    port: int = 8123  # of serve=true; 0: any that is free
    device: str = "auto"  # auto, cpu or cuda
    precision: str = "auto"  # auto, bf16 or fp32

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what means nothing."""
        for one in self.of:
            one_of(tuple(MEASURES), {"of": one})

    def measures(self) -> list[str]:
        """Return what the page shows of attention, the weights first."""
        return list(dict.fromkeys(["weights", *self.of]))


@dataclass
class Bench:
    """What `nmt bench` measures."""

    updates: int = 20  # of each pass over training; 0: none
    warmup: int = 5  # updates before them
    sentences: int = 256  # to translate; 0: none
    pieces: int = 16  # of each translation, forced
    vocabulary: int = 8000  # pieces of both sides
    length: int = 15  # pieces of a sentence, in the mean
    profile: int = 0  # operators to list, those that take most time; 0: none

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what cannot be measured."""
        at_least(0, self._settings("updates", "warmup", "sentences", "profile"))
        at_least(1, self._settings("pieces"))
        at_least(2, self._settings("length"))
        at_least(5, self._settings("vocabulary"))
        at_most(65_536, self._settings("pieces", "length"))
        at_most(2**24, self._settings("sentences"))
        at_most(1_000_000, self._settings("vocabulary"))
        if not self.updates and not self.sentences:
            raise UserError("bench.updates=0 bench.sentences=0: there is nothing to measure")

    def _settings(self, *names: str) -> dict[str, Any]:
        return {f"bench.{name}": getattr(self, name) for name in names}


@dataclass
class BenchRoot(Root):
    """`nmt bench`: a training's configuration, and what is measured of it."""

    bench: Bench = field(default_factory=Bench)
    output: str | None = None  # a file for the figures, JSON


@dataclass
class Places:
    """Where the files of a study's corpus are on this machine; null: as the study has it."""

    dir: str | None = None  # the folder of multi30k or kftt
    train: Any = None  # the files of a split of data=files
    dev: Any = None  # likewise, for the evaluations during training


@dataclass
class StudyJob:
    """The run that a job of `nmt study` trains."""

    variant: str = MISSING  # its name in the study
    value: Any = None  # of the tuned setting
    seed: int = MISSING  # of its random numbers


@dataclass
class StudyRoot:
    """`nmt study`."""

    study: Study = field(default_factory=Study)
    ledger: str = "docs/studies"  # folder of the ledgers
    runs: str = "runs/studies"  # folder of the runs
    data: Places = field(default_factory=Places)
    part: str | None = None  # 1/2: the first half of the variants, for one of two machines
    limit: int | None = None  # runs to train now; null: all
    merge: str | None = None  # a folder with a ledger of the same study, to be taken in
    list: bool = False  # show which runs are missing, and train none
    speed: int = 0  # rounds in which the speed of every variant is measured; 0: train instead
    threads: int = 1  # of each run
    nice: int = 10  # priority of each run: 0 as usual, 19 the lowest
    device: str = "auto"  # where runs are trained: auto, cpu or cuda
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt
    job: StudyJob = field(default_factory=StudyJob)


@cache
def register_schema() -> None:
    """Put the schema where the yamls' defaults lists find it, once in each process."""
    store = ConfigStore.instance()
    for name, kind in CORPORA.items():
        node = OmegaConf.structured(kind)
        with open_dict(node):
            node["_target_"] = target_of(kind)
        store.store(group="schema/data", name=name, node=node)
    store.store(group="schema", name="tokenizer", node=TokenizerConfig)
    store.store(group="schema", name="decode", node=Decode)
    schemas = {
        "root": Root,
        "evaluate": Evaluate,
        "translate": Translate,
        "heads": Heads,
        "export": Export,
        "score": Score,
        "align": Align,
        "compare": Compare,
        "explore": Explore,
        "bench": BenchRoot,
        "study": StudyRoot,
    }
    for name, schema in schemas.items():
        store.store(group="schema", name=name, node=schema)


def target_of(kind: type) -> str:
    """Return the name that ``_target_`` has for a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def swept(overrides: list[str], fixed: list[str], number: int) -> str:
    """Name a run of a sweep by those of its settings that are not the same in all of its runs.

    By its number where there are none, and where the name is too long for a folder.
    """
    named = [one for one in overrides if one.partition("=")[0] not in fixed]
    typed = [re.sub(r"^\++(\w+@)?", "", one).replace("/", "_") for one in named]
    name = in_folder(",".join(typed))
    return name if 0 < len(name.encode()) <= LONGEST_NAME else str(number)


def in_folder(name: str | None) -> str:
    """Write the name of a class, module:Class, as a folder's name has it; Hydra puts a \\ there."""
    return re.sub(r"\\?:", ".", str(name))


def from_schedule(key: str, usual: float, *, _root_: DictConfig) -> float:
    """Return what the chosen schedule brings for a setting, else what is usual.

    So that ``schedule=noam`` works by that one word; what is typed for the setting goes before it.
    """
    name = str(OmegaConf.select(_root_, "schedule._target_"))
    schedule = locate(name) if name.startswith("nmt.") else None  # `check` refuses all others
    return getattr(schedule, "brings", {}).get(key, usual)


# Here, since processes that launchers start import this file and nothing else calls them.
OmegaConf.register_new_resolver("swept", swept, replace=True)
OmegaConf.register_new_resolver("in_folder", in_folder, replace=True)
OmegaConf.register_new_resolver("from_schedule", from_schedule, replace=True)


def changed(decode: Decode, changes: Mapping[Any, Any]) -> Decode:
    """Return how to search, but for what is changed.

    UserError for what cannot be searched with, and for a change that would do nothing.
    """
    given = {str(key): value for key, value in changes.items() if value is not None}
    found = replace(decode, **given)
    found.refuse_unread(given)
    return found
