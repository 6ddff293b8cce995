"""What is wrong with a configuration, found before any data is read and said in a few words.

Hydra knows the keys and types of what the schema holds. What a ``_target_`` takes only Python
knows, so the keys of each are bound to its signature here.
"""

import inspect
import pydoc
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from nmt.config.grammar import with_quotes
from nmt.config.settings import shared_part
from nmt.config.suggestion import did_you_mean, similar, similar_keys
from nmt.errors import UserError

SCORE = {"query_width", "key_width", "value_width"}
# What the program itself gives to the parts, by the part's name.
GIVEN = {
    "model": {"source_vocabulary", "target_vocabulary"},
    "cell": {"input_width", "width", "feed_width"},
    "bridge": {"encoder_width", "state_width"},
    "order": {
        *("input_width", "width", "num_layers", "cell", "attend", "self_attend"),
        *("readout_width", "dropout"),
    },
    "attention": SCORE,
    "self_attention": SCORE,
    "cross_attention": SCORE,
    "normalize": {"heads"},
    "window": {"query_width"},
    "sink": {"heads", "score", "value_width"},
    "positions": {"width", "head_width"},
    "feed_forward": {"width", "inner", "dropout"},
    "residual": {"width", "norm", "dropout"},
    "norm": {"width"},
    "optimizer": {"params"},
}
# What may stand at the key of a part: classes of these, or of these modules.
KINDS = {
    "data": ("nmt.data.corpus.Corpus",),
    "model": ("nmt.models.seq2seq.Seq2Seq",),
    "cell": ("nmt.models.recurrent.Recurrent",),
    "bridge": ("nmt.models.bridge.Bridge",),
    "order": ("nmt.models.decoder.Decoder",),
    "attention": ("nmt.attention.score.Score", "nmt.attention.none.FixedContext"),
    "normalize": ("nmt.attention.normalize.Normalizer",),
    "window": ("nmt.attention.window.Window",),
    "sink": ("nmt.attention.sink.Sink",),
    "positions": ("nmt.models.positions.Positions",),
    "feed_forward": ("nmt.models.feed_forward.FeedForward",),
    "residual": ("nmt.models.residual.Residual",),
    "norm": ("nmt.models.norm",),
    "consistency": ("nmt.training.consistency",),
    "guide": ("nmt.alignment.guide.LinkSource",),
    "optimizer": ("torch.optim.Optimizer",),
    "schedule": ("nmt.training.schedule.Schedule",),
}
# Parts that some models have and others have not.
PARTS = ("cell", "bridge", "order", "positions", "feed_forward", "residual", "norm")
REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
}


def check(cfg: DictConfig) -> None:
    """Raise UserError for keys that nothing takes, that are missing, or have the wrong type.

    OmegaConf's own errors, which commands print too, for ``???`` and for references to nowhere.
    """
    check_schema(cfg, "")
    for key in cfg:
        if not OmegaConf.is_missing(cfg, key) and not OmegaConf.is_interpolation(cfg, str(key)):
            check_schema(cfg[key], str(key))
    content: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    for part, value in content.items():
        built = isinstance(value, dict) and "_target_" in value
        if part in KINDS and value and not built:
            raise UserError(f"{part} has no _target_, which says what is built: choose {part}=…")
    check_parts(cfg)
    for path in targets(cfg):
        check_target(path, OmegaConf.select(cfg, path))


def check_parts(cfg: DictConfig) -> None:
    """Refuse a part that was chosen and that the model does not have."""
    for part in PARTS:
        if cfg.get("model") and cfg.get(part) and part not in cfg.model:
            name = str(cfg.model.get("_target_")).rpartition(".")[2]
            raise UserError(f"{part}=… is no part of model={name}: leave it out")


def check_schema(node: Any, path: str) -> None:
    """Refuse what ``+key=`` and ``~key`` did to a part whose keys are fixed."""
    kind = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    if kind is None or not is_dataclass(kind):
        return
    known = [key.name for key in fields(kind)]
    for key in node:
        if key not in known and key != "_target_":
            raise no_such_key(f"{path}.{key}".lstrip("."), node, known)
    for key in known:
        if key not in node and not OmegaConf.is_missing(node, key):
            raise UserError(f"{path}.{key} is missing".lstrip("."))


def no_such_key(full_key: str, node: DictConfig, known: Iterable[str]) -> UserError:
    """Say which keys there are where one is not, and which may have been meant."""
    known = list(known)
    path = full_key.rpartition(".")[0]
    names = ", ".join(known) or "none"
    target = f" ({node['_target_']})" if "_target_" in node else ""
    meant = did_you_mean(similar_keys(full_key, known, node))
    return UserError(
        f"{full_key}: no such key.{meant} {path or 'The configuration'}{target} has {names}"
    )


def check_target(path: str, node: DictConfig) -> None:
    """Hold the keys of one part against what its class takes."""
    settings: Any = OmegaConf.to_container(node, resolve=True)
    name = str(settings.pop("_target_"))
    target = find_class(path, name)
    given = GIVEN.get(path.rpartition(".")[2], set())
    if settings.pop("_partial_", False) != bool(given):
        raise UserError(f"{path}: {name} needs _partial_: {str(bool(given)).lower()}")
    taken = {
        key: parameter
        for key, parameter in inspect.signature(target).parameters.items()
        if key not in given and parameter.kind not in REST
    }
    for key, value in settings.items():
        if key not in taken:
            raise no_such_key(f"{path}.{key}", node, taken)
        if isinstance(value, dict) and "_target_" not in value:
            raise UserError(f"{path}.{key} has no _target_, which says what is built")
        if not fits(value, taken[key].annotation):
            shown = "null" if value is None else value
            raise UserError(f"{path}.{key}={shown}: must be {in_words(key, taken[key].annotation)}")
    for key, parameter in taken.items():
        if parameter.default is parameter.empty and key not in settings:
            raise UserError(f"{path}.{key} is missing: {target.__qualname__} needs it")


def find_class(path: str, name: str) -> type:
    """Return the class that ``_target_`` names.

    Only parts are built, our own and torch's optimizers, each in its place: a configuration may
    come with a run folder from anywhere, and must not call what it likes.
    """
    part = shared_part(path)
    if part not in KINDS:
        raise UserError(f"{path}._target_={name}: nothing is built there")
    try:
        target = pydoc.locate(name) if name.startswith(("nmt.", "torch.optim.")) else None
    except pydoc.ErrorDuringImport as error:
        raise UserError(f"{path}._target_={name}: {error}") from error
    if not isinstance(target, type) or inspect.isabstract(target) or not is_kind(part, target):
        raise UserError(f"{path}._target_={name} is no class of nmt or torch.optim for {part}")
    return target


def is_kind(part: str, target: type) -> bool:
    """Tell whether a class is one of those that may stand at the key of a part."""
    kinds = ((kind, pydoc.locate(kind)) for kind in KINDS[part])
    return any(
        issubclass(target, kind)
        if isinstance(kind, type)
        else f"{target.__module__}.".startswith(f"{name}.")
        for name, kind in kinds
    )


def fits(value: Any, annotation: Any) -> bool:
    """Tell whether a value may stand where a number, a text, a list or a part is asked for."""
    if annotation in (Any, inspect.Parameter.empty) or isinstance(annotation, str):
        return True
    kinds = kinds_of(annotation)
    if type(value) in WORDS:
        return type(value) in kinds or (type(value) is int and float in kinds)
    lists = [kind for kind in kinds if get_origin(kind) in (list, tuple)]
    if isinstance(value, list):
        return any(all(fits(item, get_args(kind)[0]) for item in value) for kind in lists)
    return any(kind not in WORDS and kind not in lists for kind in kinds)


def in_words(key: str, annotation: Any) -> str:
    """Say what is asked for."""
    kinds = kinds_of(annotation)
    simple = [WORDS[kind] for kind in kinds if kind in WORDS]
    other = "a list" if get_origin(kinds[0]) in (list, tuple) else f"a part, chosen by {key}=…"
    return " or ".join(simple) or other


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return int and None of ``int | None``, and int of ``int``."""
    union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if union else (annotation,)


def targets(cfg: DictConfig) -> list[str]:
    """List where the parts stand that are built; what ``${...}`` refers to counts there alone."""
    found: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            if "_target_" in value:
                found.append(path)
            for key, child in value.items():
                walk(child, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list):
            for number, child in enumerate(value):
                walk(child, f"{path}.{number}")

    walk(OmegaConf.to_container(cfg), "")
    return found


def unreadable(error: OverrideParseException) -> str:
    """Say why Hydra cannot read a word, and how to type it."""
    if "EQUAL" in error.message:
        return "settings are written KEY=VALUE"
    typed = with_quotes(error.override)
    return f"type it with quotes: {typed}" if typed else error.message.partition("\n")[0]


def explain(error: Exception) -> str:
    """Say what Hydra or OmegaConf found wrong: the key, the value and what there is instead."""
    inner = error.__cause__ or error.__context__
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        meant = did_you_mean(similar(choice, error.options))
        return f"{group}={choice}: no such choice.{meant} There are {', '.join(error.options)}"
    if isinstance(error, OverrideParseException):
        return f"{error.override}: {unreadable(error)}"
    if isinstance(error, ConfigCompositionException) and isinstance(inner, OmegaConfBaseException):
        file = re.match(r"In '(.+?)':", str(error))  # a yaml, else the command line
        if file and inner.full_key == file[1].partition("/")[0]:
            return f"{file[1]}.yaml: its first line must be: # @package _global_"
        return f"{file[1]}.yaml: {explain(inner)}" if file else explain(inner)
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)) and error.full_key:
        node = error.parent_node
        if not node:  # where null stood
            part = error.full_key.rpartition(".")[0]
            return f"{error.full_key}: choose first whose key it is, {part}=…"
        known = (str(key) for key in node if key not in ("_target_", "_partial_", "hydra"))
        return str(no_such_key(error.full_key, node, known))
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is missing: give {error.full_key}=…"
    if isinstance(error, ValidationError) and "is not a ListConfig" in str(error):
        word = f"{error.full_key}={error.value}"
        return f"{word}: a list is needed, in brackets: '{error.full_key}=[{error.value}]'"
    if isinstance(error, OmegaConfBaseException):
        reason = str(error).partition("\n")[0]
        return f"{error.full_key}: {reason}" if error.full_key else reason
    return str(error).partition("\nConfig search path")[0].replace("\\'", "'").strip()
