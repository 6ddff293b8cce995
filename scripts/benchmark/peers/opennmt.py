"""OpenNMT-py: its models, its trainer's accumulation of gradients, its translator."""
# pyright: reportMissingImports=false

from functools import singledispatch
from typing import Any

import pyonmttok
import torch
from onmt.model_builder import build_model
from onmt.opts import train_opts
from onmt.trainer import Trainer
from onmt.translate import GNMTGlobalScorer, Translator
from onmt.utils import Statistics
from onmt.utils.loss import LossCompute
from onmt.utils.optimizers import Optimizer
from onmt.utils.parse import ArgumentParser
from peer import Search, Setup, Update
from shape import BEAM, CLIP, DROPOUT, PIECES, RATE, SMOOTHING, VOCABULARY, Rnn, Shape, Transformer
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.data.tokenizer import PAD

SPECIALS = ["<blank>", "<unk>", "<s>", "</s>"]  # numbered as ours


def trainer(setup: Setup[Shape]) -> Update:
    """Build a model in training."""
    options, vocabularies = arguments(setup.shape), both_vocabularies()
    model = build_model(options, options, vocabularies, None, None)
    loss = LossCompute.from_opts(options, model, vocabularies["tgt"])
    optimizer = Optimizer.from_opt(model, options)
    trained = Trainer(model, loss, loss, None, {}, optimizer, norm_method="tokens")

    def update(batch: Batch) -> None:
        given = as_theirs(batch.source) | {"tgt": batch.target.unsqueeze(-1)}
        trained._gradient_accumulation([given], batch.num_pieces, Statistics(), Statistics())

    return update


def decoder(setup: Setup[Shape]) -> Search:
    """Build a model that translates."""
    options, vocabularies = arguments(setup.shape), both_vocabularies()
    model = build_model(options, options, vocabularies, None, None).eval()
    made = Translator(
        model,
        vocabularies,
        beam_size=BEAM,
        min_length=PIECES,
        max_length=PIECES,
        max_length_ratio=0,
        global_scorer=GNMTGlobalScorer(0.0, 0.0, "avg", "none"),
    )

    def translate(source: Tensor) -> list[list[int]]:
        found = made.translate_batch(as_theirs(source), attn_debug=False)
        return [best[0].tolist() for best in found["predictions"]]

    return translate


def as_theirs(source: Tensor) -> dict[str, Any]:
    """The same sentences as it wants them."""
    lengths = (source != PAD).sum(1)
    numbers = torch.arange(len(source))
    return {"src": source.unsqueeze(-1), "srclen": lengths, "indices": numbers}


def both_vocabularies() -> dict[str, Any]:
    """One vocabulary for both sides."""
    pieces = [f"piece{number}" for number in range(VOCABULARY - len(SPECIALS))]
    joint = pyonmttok.build_vocab_from_tokens(pieces, special_tokens=SPECIALS)
    task = {"data_task": "seq2seq", "decoder_start_token": "<s>"}
    return {"src": joint, "tgt": joint, **task}


def arguments(shape: Shape) -> Any:
    """Parse the words of `onmt_train`."""
    parser = ArgumentParser()
    train_opts(parser)
    words = [
        *("-data", "none", "-src_vocab", "none", "-share_vocab", "-dropout", str(DROPOUT)),
        *("-optim", "adam", "-learning_rate", str(RATE), "-max_grad_norm", str(CLIP)),
        *("-label_smoothing", str(SMOOTHING), "-param_init", "0", "-param_init_glorot"),
    ]
    options, _ = parser.parse_known_args([*words, *sizes(shape)])
    ArgumentParser.update_model_opts(options)
    return options


@singledispatch
def sizes(shape: Shape) -> list[str]:
    """Write a shape in the words of `onmt_train`."""
    raise NotImplementedError


@sizes.register
def _(shape: Rnn) -> list[str]:
    assert shape.decoder == 2 * shape.encoder, "its encoder is as wide as its decoder"
    return [
        *("-encoder_type", "brnn", "-decoder_type", "rnn", "-rnn_type", "LSTM"),
        *("-layers", "1", "-hidden_size", str(shape.decoder), "-input_feed", "1"),
        *("-word_vec_size", str(shape.embedding), "-global_attention", shape.attention),
    ]


@sizes.register
def _(shape: Transformer) -> list[str]:
    return [
        *("-encoder_type", "transformer", "-decoder_type", "transformer", "-position_encoding"),
        *("-layers", str(shape.layers), "-heads", str(shape.heads)),
        *("-hidden_size", str(shape.width), "-word_vec_size", str(shape.width)),
        *("-transformer_ff", str(shape.feed_forward), "-attention_dropout", "0"),
        *("-share_embeddings", "-share_decoder_embeddings"),
    ]
