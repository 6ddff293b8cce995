"""The configuration: its schema, and the check that a composed configuration can be built."""

import inspect
import re
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import hydra.utils
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from nmt.data.bible import Bible
from nmt.data.clean import Clean
from nmt.data.files import Files
from nmt.data.hub import Hub
from nmt.data.kftt import Kftt
from nmt.data.multi30k import Multi30k
from nmt.data.tokenizer import TokenizerConfig
from nmt.decoding.translate import Decode
from nmt.errors import UserError

CORPORA = {"bible": Bible, "files": Files, "hub": Hub, "kftt": Kftt, "multi30k": Multi30k}


@dataclass
class Train:
    """One training: its updates, its end, what is measured and kept on the way."""

    max_tokens: int = 4096  # of a batch, a side, padding included
    accumulate: int = 1  # batches an update
    label_smoothing: float = 0.1
    clip_norm: float | None = 1.0  # of the gradient; null: none
    # The end is where the first of these is reached.
    max_steps: int | None = None  # updates
    max_epochs: int | None = None
    max_minutes: float | None = None  # wall clock, evaluation included
    patience: int | None = None  # dev evaluations without a better one
    watch: str = "bleu"  # what is better on dev: bleu (higher) or loss (lower)
    evaluate_every: int = 500  # updates between dev evaluations; each writes a checkpoint
    log_every: int = 50  # updates between lines of metrics
    dev_beam: int = 1  # beam of the dev evaluations; the test takes decode.beam
    heatmaps: int = 4  # dev sentences whose attention is drawn at each evaluation
    heatmap_words: bool = False  # merge pieces to words
    keep_last: int = 2  # checkpoints
    keep_best: int = 1
    average: str = "best"  # the final model is the mean of these checkpoints: best or last


@dataclass
class Root:
    """What every configuration of a training has beside its pluggable parts."""

    data: Any = None
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    clean: Clean = field(default_factory=Clean)
    model: Any = None
    cell: Any = None
    bridge: Any = None
    order: Any = None
    attention: Any = None
    normalize: Any = None
    window: Any = None
    optimizer: Any = None
    schedule: Any = None
    train: Train = field(default_factory=Train)
    decode: Decode = field(default_factory=Decode)
    seed: int = 1
    device: str = "auto"
    precision: str = "auto"  # bf16, fp32, or auto: bf16 where the hardware computes it
    deterministic: bool = False  # refuse kernels whose result may vary (a GPU's; a CPU has none)
    cache: str | None = None  # folder of prepared corpora; null: $NMT_CACHE, else ~/.cache/nmt


# Decode where everything may be left to the run.
DecodeChanges = make_dataclass(
    "DecodeChanges",
    [(key.name, key.type | None, None) for key in fields(Decode)],  # type: ignore[operator]
)


@dataclass
class Use:
    """What every command that uses a trained model has."""

    run: str = MISSING  # the run folder
    device: str = "auto"
    precision: str = "auto"
    decode: Any = field(default_factory=DecodeChanges)  # null: as in the run


@dataclass
class Evaluate(Use):
    """`nmt evaluate`."""

    data: Any = None  # null: the run's own corpus
    split: str = "test"  # train, dev or test
    output: str | None = None  # folder; null: evaluation/<corpus>-<split> in the run folder
    heatmaps: int = 4  # sentences whose attention is drawn
    heatmap_words: bool = False
    cache: str | None = None


@dataclass
class Translate(Use):
    """`nmt translate`."""

    input: str | None = None  # a file, also .gz, .xz, .zst; null: standard input
    output: str | None = None  # a file; null: standard output
    n_best: int = 1  # above 1: lines of number, rank, score and text, between tabs
    heatmap: str | None = None  # a folder: each sentence's attention is drawn there
    heatmap_words: bool = False


def register_schema() -> None:
    """Put the schema where the yamls' defaults lists find it."""
    store = ConfigStore.instance()
    for name, kind in CORPORA.items():
        node = OmegaConf.structured(kind)
        with open_dict(node):
            node["_target_"] = f"{kind.__module__}.{kind.__qualname__}"
        store.store(group="schema/data", name=name, node=node)
    store.store(group="schema", name="tokenizer", node=TokenizerConfig)
    store.store(group="schema", name="decode", node=Decode)
    for name, schema in (("root", Root), ("evaluate", Evaluate), ("translate", Translate)):
        store.store(group="schema", name=name, node=schema)


def changed(decode: Decode, changes: DictConfig) -> Decode:
    """Return how to search, but for what is changed. UserError for what cannot be searched with."""
    given = {str(key): value for key, value in changes.items() if value is not None}
    return replace(decode, **given)


def config_folder() -> Path:
    """Return configs/, which lies inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def check(cfg: DictConfig) -> None:
    """Refuse a key that no ``_target_`` takes, one that it lacks, and a target not of ours.

    Only what Python calls with these keys can know them, so each is bound to the signature here,
    before any data is read.
    """
    for path, node in targets(cfg):
        name = node["_target_"]
        if not re.match(r"(nmt|torch)\.", name):
            raise UserError(f"{path}._target_={name}: only targets of nmt and torch are built")
        try:
            target = hydra.utils.get_object(name)
        except Exception as error:
            raise UserError(f"{path}._target_={name} does not exist") from error
        parameters = inspect.signature(target).parameters
        for key in node:
            if str(key) not in parameters and key not in ("_target_", "_partial_"):
                known = ", ".join(k for k in parameters if k in node or not _is_ours(k))
                raise UserError(f"{path}.{key}: {name} has no such key. It has: {known}")


def _is_ours(key: str) -> bool:
    """Tell whether the program gives the key itself."""
    return key in {"params", "query_width", "key_width", "source_vocabulary", "target_vocabulary"}


def targets(node: DictConfig, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """List all parts that are built, with where they stand."""
    found: list[tuple[str, dict[str, Any]]] = []
    plain = OmegaConf.to_container(node)  # ${...} stays, what it points to is seen where it stands
    assert isinstance(plain, dict)

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if "_target_" in value:
                found.append((path, value))
            for key, child in value.items():
                walk(child, f"{path}.{key}" if path else str(key))

    walk(plain, path)
    return found
