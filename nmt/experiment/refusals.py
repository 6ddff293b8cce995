"""What a training is refused for before any data is read: UserErrors with the way out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from omegaconf import DictConfig, OmegaConf

from nmt.alignment.guide import StatisticalLinks
from nmt.attention.draws import rewarded
from nmt.attention.penalty import penalized
from nmt.config.check import check
from nmt.config.schema import CORPORA, target_of
from nmt.data.tokenizer import TokenizerConfig
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.models.attention_maps import inside
from nmt.models.seq2seq import Seq2Seq
from nmt.training.compiled import check_compiler
from nmt.training.consistency import RDrop
from nmt.training.guided import Guided
from nmt.training.loss import BatchLoss
from nmt.training.ranks import Ranks


def of_settings(cfg: DictConfig, ranks: Ranks) -> None:
    """Refuse keys that no part takes, missing parts, and values that mean nothing."""
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
    decode: Decode = OmegaConf.to_object(cfg.decode)  # type: ignore[assignment]
    decode.refuse_unread(key for key in decode.changed() if key != "beam")  # yamls have a beam
    of_synthetic(cfg)
    if cfg.guide and cfg.data["_target_"] == target_of(CORPORA["stream"]):
        raise UserError("guide=… needs links for every line, but a stream has none: remove guide=")
    if cfg.guide and tokenizer.sample:
        raise UserError(
            "guide=… needs the best segmentation, but tokenizer.sample="
            f"{tokenizer.sample} samples others: remove one of them"
        )


def of_synthetic(cfg: DictConfig) -> None:
    """Refuse pairs beside a corpus that is never read as a whole, and such without links."""
    if not cfg.synthetic.files:
        return
    if cfg.data["_target_"] == target_of(CORPORA["stream"]):
        raise UserError(
            "synthetic.files=… is read beside a corpus that is kept on disk, and data=stream is "
            "not: leave it out, or write the pairs into the stream's files"
        )
    if cfg.guide and cfg.guide["_target_"] != target_of(StatisticalLinks):
        raise UserError(
            "synthetic.files=…: guide=… needs links for every line, and these have none: take "
            "guide=statistical, or remove one of the two"
        )


def of_compiling(cfg: DictConfig, device: torch.device, ranks: Ranks) -> None:
    """Refuse torch.compile where it cannot be."""
    if not cfg.train.compile:
        return
    if ranks.size > 1:
        raise UserError("train.compile=true works only in a single process: remove it with several")
    if cfg.guide:
        raise UserError(
            "train.compile=true: the attention weights for guide=… cannot be compiled; remove "
            "one of the two"
        )
    check_compiler(device)


def of_compiled_penalties(cfg: DictConfig, model: Seq2Seq) -> None:
    """Refuse torch.compile where parts of the model add to the loss."""
    if cfg.train.compile and penalized(model):
        raise UserError(
            "train.compile=true: the loss term of gate=… cannot be compiled; remove one of the two"
        )
    if cfg.train.compile and rewarded(model):
        raise UserError(
            "train.compile=true: the loss term of normalize=reinforce cannot be compiled; "
            "remove one of the two"
        )


def of_embeddings(cfg: DictConfig) -> None:
    """Refuse embeddings for both sides where each has pieces of its own."""
    if cfg.model.get("share_embeddings") and not cfg.tokenizer.joint:
        raise UserError(
            "model.share_embeddings=true does not apply to tokenizer.joint=false: each side "
            "has its own pieces. Add model.share_embeddings=false"
        )


def of_copying(cfg: DictConfig) -> None:
    """Refuse copying from pieces that the target does not have, and what cannot copy."""
    if not cfg.model.get("copy"):
        return
    if not cfg.tokenizer.joint:
        raise UserError(
            "model.copy=true copies source pieces as target pieces, but with "
            "tokenizer.joint=false each side has its own pieces: set tokenizer.joint=true, or "
            "remove model.copy"
        )
    if cfg.consistency:
        raise UserError(
            "consistency=… compares the vocabulary distributions of two passes, but with "
            "model.copy=true they also copy: remove one of the two"
        )
    if cfg.train.compile:
        raise UserError(
            "train.compile=true: model.copy=true cannot be compiled; remove one of the two"
        )


def of_teacher(cfg: DictConfig) -> None:
    """Refuse own pieces where the model cannot write them in the midst of an update."""
    if not cfg.teacher:
        return
    if cfg.train.compile:
        raise UserError(
            "train.compile=true: the translations that the model writes for teacher=… cannot be "
            "compiled; remove one of the two"
        )
    if cfg.train.shard:
        raise UserError(
            "train.shard=true: teacher=… lets the model translate, but no process has all of its "
            "weights; remove one of the two"
        )
    train, stream = cfg.train, cfg.data["_target_"] == target_of(CORPORA["stream"])
    epochs = None if stream else train.max_epochs
    ends = (train.max_steps, train.max_pieces, train.max_minutes, epochs)
    if all(end is None for end in ends):
        raise UserError(
            "teacher=…: the share of own pieces grows from the start of the training to its end, "
            "which is not known here: set train.max_steps, train.max_pieces or train.max_minutes"
        )


def of_dropout(cfg: DictConfig, model: Seq2Seq, loss: BatchLoss) -> None:
    """Refuse dropout that nothing would drop, and a loss that lives of dropout without any."""
    shares = {str(key): value for key, value in cfg.model.items() if str(key).endswith("dropout")}
    if shares.get("attention_dropout") and not inside(model):
        raise UserError(
            f"model.attention_dropout={shares['attention_dropout']} does not apply to "
            "attention=none: there are no weights to drop. Remove model.attention_dropout"
        )
    if isinstance(loss, Guided):
        loss = loss.loss
    if isinstance(loss, RDrop) and not any(shares.values()):
        raise UserError(
            "consistency=rdrop compares two passes that differ in their dropout, and "
            f"{'=0, '.join(f'model.{key}' for key in shares)}=0: set one of them above 0, or "
            "choose consistency=simcut"
        )


@contextmanager
def of_optimizer() -> Iterator[None]:
    """Refuse, in its own words, an optimizer that the block cannot build."""
    try:
        yield
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"optimizer cannot be built: {reason}") from error
