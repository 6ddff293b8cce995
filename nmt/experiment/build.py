"""The parts of an experiment, built of its configuration or refused before any data is read."""

import inspect
from collections.abc import Callable
from typing import Any

import hydra.utils
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from nmt.alignment.guide import LinkSource
from nmt.attention.penalty import penalized
from nmt.batches.guide import Guide
from nmt.batches.loader import Loader
from nmt.batches.stream_loader import StreamLoader
from nmt.batches.train_loader import TrainLoader
from nmt.config.check import check
from nmt.config.schema import Train
from nmt.data.cache import cache_folder
from nmt.data.corpus import Corpus
from nmt.data.prepare import Prepared, prepare
from nmt.data.stream import Stream
from nmt.data.tokenizer import TokenizerConfig
from nmt.errors import UserError
from nmt.hardware.runtime import pick_device, pick_precision
from nmt.models.attention_maps import inside
from nmt.models.seq2seq import Seq2Seq
from nmt.run import Translator, build_model
from nmt.training.compiled import check_compiler, compiled_loss
from nmt.training.consistency import RDrop
from nmt.training.guided import Guided
from nmt.training.limits import Limits
from nmt.training.loss import BatchLoss, batch_loss
from nmt.training.ranks import Ranks


def rehearse(cfg: DictConfig, ranks: Ranks) -> None:
    """Build every part once, the model without memory: UserError for what cannot be built."""
    check(cfg)
    if cfg.train.split_batches and ranks.size > 1:
        raise UserError(
            "train.split_batches=true: with several processes a batch cannot be halved, since the "
            "others do not wait for it; lower train.max_tokens"
        )
    for part in ("data", "model", "optimizer", "schedule"):
        if "_target_" not in (cfg[part] or {}):
            raise UserError(f"{part} is missing: a training needs one, {part}=…")
    if not 0 <= cfg.seed < 2**63:
        raise UserError(f"seed={cfg.seed}: must be from 0 to below 2^63")
    tokenizer: TokenizerConfig = OmegaConf.to_object(cfg.tokenizer)  # type: ignore[assignment]
    tokenizer.check()
    OmegaConf.to_object(cfg)  # checks the values of the other typed parts
    limits(cfg)
    loss = build_loss(cfg)
    device = pick_device(cfg.device)
    pick_precision(cfg.precision, device)
    if cfg.train.compile:
        if ranks.size > 1:
            raise UserError("train.compile=true: one process compiles; leave it out with several")
        if cfg.guide:
            raise UserError("train.compile=true: what guide=… learns from cannot be compiled")
        check_compiler(device)
    if cfg.model.get("share_embeddings") and not cfg.tokenizer.joint:
        raise UserError(
            "model.share_embeddings=true has no meaning with tokenizer.joint=false, where each "
            "side has pieces of its own: add model.share_embeddings=false"
        )
    pieces = range(cfg.tokenizer.size)
    with torch.device("meta"):
        model = build_model(cfg, pieces, pieces)
    if cfg.train.compile and penalized(model):
        raise UserError("train.compile=true: what gate=… adds to the loss cannot be compiled")
    check_dropout(cfg, model, loss)
    try:
        optimizer = build_optimizer(cfg.optimizer, model, torch.device("meta"))
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"optimizer cannot be built: {reason}") from error
    ranks.check(optimizer)


def check_dropout(cfg: DictConfig, model: Seq2Seq, loss: BatchLoss) -> None:
    """Raise UserError for dropout that nothing would drop, and for a loss that lives of dropout."""
    shares = {str(key): value for key, value in cfg.model.items() if str(key).endswith("dropout")}
    if shares.get("attention_dropout") and not inside(model):
        raise UserError(
            f"model.attention_dropout={shares['attention_dropout']} has no meaning with "
            "attention=none, which has no weights to drop: leave it out"
        )
    if isinstance(loss, Guided):
        loss = loss.loss
    if isinstance(loss, RDrop) and not any(shares.values()):
        raise UserError(
            "consistency=rdrop compares two passes that differ in their dropout, and "
            f"{'=0, '.join(f'model.{key}' for key in shares)}=0: give one of them a share, or take "
            "consistency=simcut"
        )


def limits(cfg: DictConfig) -> Limits:
    """Return when training ends. UserError where it does not."""
    config: Train = OmegaConf.to_object(cfg.train)  # type: ignore[assignment]
    return Limits(config, hydra.utils.instantiate(cfg.schedule))


def prepare_data(cfg: DictConfig, say: Callable[[str], None]) -> Prepared:
    """Clean, tokenize and encode the corpus, saying what is done, or find it in the cache."""
    clean: Any = OmegaConf.to_object(cfg.clean)
    tokenizer: Any = OmegaConf.to_object(cfg.tokenizer)
    corpus: Corpus = hydra.utils.instantiate(cfg.data)
    return prepare(corpus, clean, tokenizer, cache_folder(cfg.cache), say)


def read_guide(cfg: DictConfig, prepared: Prepared) -> Guide | None:
    """Return the links that guide attention; None: it finds out by itself."""
    if not cfg.guide:
        return None
    links: LinkSource = hydra.utils.instantiate(cfg.guide)
    return links.guide(hydra.utils.instantiate(cfg.data), prepared, cache_folder(cfg.cache))


def build_loader(cfg: DictConfig, prepared: Prepared) -> Loader:
    """Build what training takes batches from."""
    corpus: Corpus = hydra.utils.instantiate(cfg.data)
    if not isinstance(corpus, Stream):
        return TrainLoader(prepared, cfg.train.max_tokens, cfg.seed, read_guide(cfg, prepared))
    if cfg.guide:
        raise UserError("guide=… has links for lines that are known, and a stream's are not")
    clean: Any = OmegaConf.to_object(cfg.clean)
    return StreamLoader(corpus, prepared, clean, cfg.train.max_tokens, cfg.seed)


def new_translator(
    cfg: DictConfig, prepared: Prepared, device: torch.device, ranks: Ranks
) -> Translator:
    """Build an untrained model between the tokenizers of the corpus."""
    source, target = prepared.source_tokenizer, prepared.target_tokenizer
    model = build_model(cfg, source, target).to(device)
    precision = pick_precision(cfg.precision, device)
    languages = cfg.data.source, cfg.data.target
    return Translator(model, source, target, *languages, device, precision, ranks)


def build_optimizer(
    cfg: DictConfig, model: nn.Module, device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimizer, as one fused kernel where there is one for this device."""
    named = model.named_parameters()
    make: Callable[..., torch.optim.Optimizer] = hydra.utils.instantiate(cfg)
    fused = "fused" in inspect.signature(hydra.utils.get_object(cfg["_target_"])).parameters
    if fused and "fused" not in cfg and device.type in ("cpu", "cuda"):
        return make(named, fused=True)
    return make(named)


def build_loss(cfg: DictConfig) -> BatchLoss:
    """Build what is trained for: cross-entropy, with ``consistency=`` of two passes.

    With ``guide=`` one attention is trained towards given links beside it.
    """
    plain = compiled_loss() if cfg.train.compile else batch_loss
    loss = hydra.utils.instantiate(cfg.consistency) if cfg.consistency else plain
    if not cfg.guide:
        return loss
    links: LinkSource = hydra.utils.instantiate(cfg.guide)
    return Guided(loss, links.weight, links.layer, links.head, links.shift)


def num_parameters(model: nn.Module) -> int:
    """Count the trained numbers."""
    return sum(parameter.numel() for parameter in model.parameters())
