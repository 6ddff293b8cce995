"""Models in which a choice is tried: does it build, how many numbers has it, what goes with it?"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hydra
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from nmt.catalog.choices import OF_ATTENTION, Choice, groups, path_of
from nmt.config.check import check
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.models.seq2seq import Seq2Seq
from nmt.models.without_memory import without_memory
from nmt.run import build_model

MODELS = ("rnn_small", "transformer_small")
PIECES = 4000  # of each vocabulary
loaded = cache(OmegaConf.load)  # what is put into a configuration is copied


def composed(words: list[str]) -> DictConfig:
    """Return the configuration of `nmt train` with these words; errors as Hydra has them."""
    register_schema()
    with initialize_config_dir(str(Path(config_folder()).resolve()), version_base="1.3"):
        return hydra.compose("train", [as_choice(word) for word in words])


def build(cfg: DictConfig) -> Seq2Seq:
    """Build the model of a configuration without memory. UserError where it cannot be."""
    check(cfg)
    with without_memory():
        return build_model(cfg, range(PIECES), range(PIECES))


def num_parameters(model: Seq2Seq, *kinds: type) -> int:
    """Count the trained numbers of all parts of some kinds."""
    parts = (part for part in model.modules() if isinstance(part, kinds))
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def refusal(cfg: DictConfig, **choices: str) -> str | None:
    """Return why a model cannot be built with other choices; None: it can."""
    changed = cfg.copy()
    for group, name in choices.items():
        OmegaConf.update(changed, group, loaded(path_of(group, name)), merge=False)
    try:
        with without_memory():
            build_model(changed, range(PIECES), range(PIECES))
    except Exception as error:
        reason = error if isinstance(error, UserError) else error.__cause__
        if isinstance(reason, UserError):
            return str(reason)
        raise
    return None


def words_for(model: str, choice: Choice) -> list[str] | None:
    """Return the words of a model with a choice: alone, or with the first partner that it needs.

    None: the model has no such part, or cannot be built with it.
    """
    cfg = composed([f"model={model}"])
    if not cfg.model.get(choice.group):
        return None
    words = [f"model={model}", choice.word]
    if refusal(cfg, **{choice.group: choice.name}) is None:
        return words
    found = (f"{group}={name}" for group, name, why in partners(cfg, choice) if not why)
    needed = next(found, None)
    return [*words, needed] if needed else None


def partners(cfg: DictConfig, choice: Choice) -> Iterator[tuple[str, str, str | None]]:
    """Yield each choice of the other parts: group, name, and why it does not go with this one.

    Left out are those that the model refuses without it too.
    """
    for group in (*OF_ATTENTION, "positions", "order"):
        for other in groups()[group] if group != choice.group and cfg.model.get(group) else ():
            reason = refusal(cfg, **{choice.group: choice.name, group: other})
            if reason is None or refusal(cfg, **{group: other}) is None:
                yield group, other, reason
