"""This project: the updates of its trainer and its beam search."""

from functools import singledispatch
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from peer import Search, Setup, Update
from shape import BEAM, CLIP, DROPOUT, PIECES, RATE, SMOOTHING, Rnn, Shape, Transformer
from streams import corpus
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.batches.updates import Work
from nmt.bench.decoding import Forced
from nmt.bench.training import build_trainer
from nmt.config.schema import register_schema
from nmt.config.yamls import config_folder
from nmt.data.tokenizer import PAD
from nmt.decoding.decode import Decode
from nmt.decoding.translate import search
from nmt.experiment.build import Parts, build
from nmt.hardware.process import prepare_process
from nmt.hardware.runtime import kernels
from nmt.report.logger import Logger
from nmt.run import Translator
from nmt.training.ranks import Ranks

ATTENTIONS = {"mlp": "bahdanau", "general": "luong_general"}
NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}


def trainer(setup: Setup[Shape]) -> Update:
    """Build a model in training."""
    cfg = configuration(setup)
    folder = Path(setup.until.enter_context(TemporaryDirectory()))
    logger = setup.until.enter_context(Logger(folder))
    parts = build(cfg, Ranks())
    setup.until.enter_context(kernels(parts.device))
    trained = build_trainer(parts, corpus(), translator(parts), logger, folder)

    def update(batch: Batch) -> object:
        return trained.train_step(Work([batch], epoch=0, batch=0, place={}))

    return update


def decoder(setup: Setup[Shape]) -> Search:
    """Build a model that translates."""
    made = translator(build(configuration(setup), Ranks()))
    forced = Forced(made.model, PIECES)
    decode = Decode(beam=BEAM, max_ratio=0.0, max_extra=PIECES)
    setup.until.enter_context(made.evaluating())

    def translate(source: Tensor) -> list[list[int]]:
        rows = [row[row != PAD].tolist() for row in source]
        return [found[0].ids for found in search(forced, rows, decode, made.device)]

    return translate


def configuration(setup: Setup[Shape]) -> DictConfig:
    """Compose what `nmt bench` would be given."""
    register_schema()
    words = [*sizes(setup.shape), *training_words(NAMES[setup.precision])]
    with initialize_config_dir(str(config_folder().resolve()), version_base="1.3"):
        return compose("bench", words)


def training_words(precision: str) -> list[str]:
    """Write how all shapes are trained in the words of the command line."""
    return [
        *("device=cpu", f"precision={precision}", f"model.dropout={DROPOUT}"),
        *(f"train.label_smoothing={SMOOTHING}", f"train.clip_norm={CLIP}", f"optimizer.lr={RATE}"),
    ]


def translator(parts: Parts) -> Translator:
    """Build a model as `nmt train` does."""
    prepare_process()
    return parts.translator(corpus(), Ranks())


@singledispatch
def sizes(shape: Shape) -> list[str]:
    """Write a shape in the words of the command line."""
    raise NotImplementedError


@sizes.register
def _(shape: Rnn) -> list[str]:
    return [
        "model=rnn",
        f"attention={ATTENTIONS[shape.attention]}",
        "order.input_feed=true",
        "model.tie_output=false",
        "model.share_embeddings=false",
        f"model.embedding_width={shape.embedding}",
        f"model.encoder_width={shape.encoder}",
        f"model.decoder_width={shape.decoder}",
    ]


@sizes.register
def _(shape: Transformer) -> list[str]:
    return [
        "model=transformer",
        f"model.width={shape.width}",
        f"model.feed_forward_width={shape.feed_forward}",
        f"model.encoder_layers={shape.layers}",
        f"model.decoder_layers={shape.layers}",
        f"model.heads={shape.heads}",
    ]
