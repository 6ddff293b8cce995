"""The parts of an experiment, built once of its configuration, or refused before data is read."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import hydra.utils
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from nmt.alignment.guide import LinkSource
from nmt.batches.loader import Loader
from nmt.batches.stream_loader import StreamLoader
from nmt.batches.train_loader import TrainLoader
from nmt.config.schema import Train
from nmt.data.cache import cache_folder
from nmt.data.clean import Clean
from nmt.data.corpus import Corpus
from nmt.data.prepare import Prepared, Tokenizers, prepare
from nmt.data.stream import Stream
from nmt.data.synthetic import Synthetic
from nmt.data.tokenizer import TokenizerConfig
from nmt.decoding.decode import Decode
from nmt.experiment import refusals
from nmt.hardware.runtime import pick_device, pick_precision
from nmt.models.without_memory import without_memory
from nmt.run import Translator, build_model
from nmt.training.compiled import compiled_loss
from nmt.training.frozen import freeze, part_weights
from nmt.training.guided import Guided
from nmt.training.limits import Limits
from nmt.training.loss import BatchLoss, batch_loss
from nmt.training.ranks import Ranks
from nmt.training.schedule import Schedule
from nmt.training.scheduled_sampling import Teacher, forcing


@dataclass(frozen=True)
class Parts:
    """What an experiment is made of before any data is read."""

    config: DictConfig  # which they are built of
    train: Train
    decode: Decode
    clean: Clean
    synthetic: Synthetic
    tokenizer: TokenizerConfig
    corpus: Corpus
    links: LinkSource | None  # that guide attention; None: it finds out by itself
    loss: BatchLoss
    teacher: Teacher  # what the decoder reads in training
    make_optimizer: Callable[..., torch.optim.Optimizer]
    schedule: Schedule
    device: torch.device
    precision: torch.dtype

    @property
    def dev_decode(self) -> Decode:
        """How dev is translated during training."""
        return replace(self.decode, method="beam", beam=self.train.dev_beam, n_best=1)

    def prepared(self, given: Tokenizers | None = None) -> Prepared:
        """Clean, tokenize and encode the corpus, or find it in the cache."""
        cache = cache_folder(self.config.cache)
        return prepare(self.corpus, self.clean, self.tokenizer, cache, given, self.synthetic)

    def places(self, split: str) -> dict[str, range]:
        """Return where in a split each pair of languages is; empty: there is one pair."""
        return self.corpus.places(cache_folder(self.config.cache), split)

    def loader(self, prepared: Prepared) -> Loader:
        """Build what training takes batches from."""
        max_tokens, seed = self.train.max_tokens, self.config.seed
        if isinstance(self.corpus, Stream):
            return StreamLoader(self.corpus, prepared, self.clean, max_tokens, seed)
        cache = cache_folder(self.config.cache)
        guide = self.links.guide(self.corpus, prepared, cache) if self.links else None
        return TrainLoader(prepared, max_tokens, seed, guide)

    def translator(self, prepared: Prepared, ranks: Ranks) -> Translator:
        """Build an untrained model between the tokenizers of the corpus."""
        source, target = prepared.source_tokenizer, prepared.target_tokenizer
        model = build_model(self.config, source, target).to(self.device)
        freeze(model)
        languages = self.corpus.source, self.corpus.target
        return Translator(model, source, target, *languages, self.device, self.precision, ranks)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Build the optimizer of what is trained, as one fused kernel where the device has one."""
        trained = [one for one in model.named_parameters() if one[1].requires_grad]
        kind = hydra.utils.get_object(self.config.optimizer["_target_"])
        fused = "fused" in inspect.signature(kind).parameters
        device = next(model.parameters()).device.type
        if fused and "fused" not in self.config.optimizer and device in ("cpu", "cuda"):
            return self.make_optimizer(trained, fused=True)
        return self.make_optimizer(trained)


def build(cfg: DictConfig, ranks: Ranks) -> Parts:
    """Build every part once; UserError for parts that cannot be built or combined."""
    refusals.of_settings(cfg, ranks)
    typed: Any = OmegaConf.to_object(cfg)
    schedule = hydra.utils.instantiate(cfg.schedule)
    Limits(typed.train, schedule)  # refuses a training without an end
    links = hydra.utils.instantiate(cfg.guide) if cfg.guide else None
    device = pick_device(cfg.device)
    parts = Parts(
        config=cfg,
        train=typed.train,
        decode=typed.decode,
        clean=typed.clean,
        synthetic=typed.synthetic,
        tokenizer=typed.tokenizer,
        corpus=hydra.utils.instantiate(cfg.data),
        links=links,
        loss=build_loss(cfg, links),
        teacher=hydra.utils.instantiate(cfg.teacher) if cfg.teacher else forcing,
        make_optimizer=hydra.utils.instantiate(cfg.optimizer),
        schedule=schedule,
        device=device,
        precision=pick_precision(cfg.precision, device),
    )
    refuse(parts, ranks)
    return parts


def refuse(parts: Parts, ranks: Ranks) -> None:
    """Raise UserError for parts that do not go together, the model built without memory."""
    cfg, pieces = parts.config, range(parts.tokenizer.size)
    refusals.of_teacher(cfg)
    refusals.of_compiling(cfg, parts.device, ranks)
    refusals.of_embeddings(cfg)
    refusals.of_copying(cfg)
    with without_memory():
        model = build_model(cfg, pieces, pieces)
        freeze(model)
    for part in cfg.init_parts or ():
        part_weights(model, part, "init_parts")
    refusals.of_compiled_penalties(cfg, model)
    refusals.of_dropout(cfg, model, parts.loss)
    if isinstance(parts.loss, Guided):
        parts.loss.check(model)
    with refusals.of_optimizer():
        optimizer = parts.optimizer(model)
    ranks.check(optimizer)


def build_loss(cfg: DictConfig, links: LinkSource | None) -> BatchLoss:
    """Build what is trained for: cross-entropy, with ``consistency=`` of two passes.

    With ``links`` one attention is trained towards them beside it.
    """
    plain = compiled_loss() if cfg.train.compile else batch_loss
    loss = hydra.utils.instantiate(cfg.consistency) if cfg.consistency else plain
    return Guided(loss, links.weight, links.layer, links.head, links.shift) if links else loss


def limits(cfg: DictConfig) -> Limits:
    """Return when training ends. UserError where it does not."""
    config: Train = OmegaConf.to_object(cfg.train)  # type: ignore[assignment]
    return Limits(config, hydra.utils.instantiate(cfg.schedule))


def num_parameters(model: nn.Module) -> int:
    """Count the numbers that a model has learned or could learn."""
    return sum(parameter.numel() for parameter in model.parameters())
