"""JoeyNMT: its models, loss and search; the step is that of its TrainManager without the log."""
# pyright: reportMissingImports=false

from functools import singledispatch
from types import SimpleNamespace
from typing import Any

import torch
from joeynmt.batch import Batch as JoeyBatch
from joeynmt.model import Model, build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary
from peer import Search, Setup, Update
from shape import BEAM, CLIP, DROPOUT, PIECES, RATE, SMOOTHING, VOCABULARY, Rnn, Shape, Transformer
from torch import Tensor

from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.data.tokenizer import PAD as OURS

CPU = torch.device("cpu")
UNK, PAD = 0, 1  # as it numbers them
SPECIALS = {
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_id": UNK,
    "pad_id": PAD,
    "bos_id": BOS,
    "eos_id": EOS,
    "sep_token": None,
    "lang_tags": [],
}
ATTENTIONS = {"mlp": "bahdanau", "general": "luong"}


def trainer(setup: Setup[Shape]) -> Update:
    """Build a model in training."""
    model = made(setup.shape)
    model.loss_function = ("crossentropy", SMOOTHING)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def update(batch: Batch) -> None:
        model.train()
        given = as_joeys(batch.source, batch.target)
        given.sort_by_src_length()
        loss, *_ = model(return_type="loss", **vars(given))
        given.normalize(loss, "tokens").backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()

    return update


def decoder(setup: Setup[Shape]) -> Search:
    """Build a model that translates."""
    model = made(setup.shape).eval()

    def translate(source: Tensor) -> list[list[int]]:
        given = as_joeys(source, None)
        order = given.sort_by_src_length()
        found, *_ = search(
            model,
            given,
            max_output_length=PIECES,
            beam_size=BEAM,
            beam_alpha=1.0,
            min_output_length=PIECES,
        )
        return found[order].tolist()

    return translate


def as_joeys(source: Tensor, target: Tensor | None) -> JoeyBatch:
    """The same sentences as it wants them."""
    return JoeyBatch(
        src=source.masked_fill(source == OURS, PAD),
        src_length=(source != OURS).sum(1),
        src_prompt_mask=None,
        trg=None if target is None else target.masked_fill(target == OURS, PAD),
        trg_prompt_mask=None,
        indices=torch.arange(len(source)),
        device=CPU,
        pad_index=PAD,
        eos_index=EOS,
        is_train=target is not None,
    )


def made(shape: Shape) -> Model:
    """Build a model with random weights."""
    specials = SimpleNamespace(**SPECIALS)
    pieces = [f"piece{number}" for number in range(VOCABULARY - 4)]
    vocabulary = Vocabulary(pieces, specials)
    return build_model(settings(shape), vocabulary, vocabulary)


@singledispatch
def settings(shape: Shape) -> dict[str, Any]:
    """Write a shape as the section `model` of its configuration."""
    raise NotImplementedError


@settings.register
def _(shape: Rnn) -> dict[str, Any]:
    side = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "num_layers": 1,
        "dropout": DROPOUT,
        "embeddings": {"embedding_dim": shape.embedding, "dropout": DROPOUT},
    }
    decoder = {
        "hidden_size": shape.decoder,
        "attention": ATTENTIONS[shape.attention],
        "input_feeding": True,
        "hidden_dropout": DROPOUT,
        "init_hidden": "bridge",
    }
    return {
        "encoder": {**side, "hidden_size": shape.encoder, "bidirectional": True},
        "decoder": {**side, **decoder},
    }


@settings.register
def _(shape: Transformer) -> dict[str, Any]:
    side = {
        "type": "transformer",
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "hidden_size": shape.width,
        "ff_size": shape.feed_forward,
        "dropout": DROPOUT,
        "layer_norm": "pre",
        "embeddings": {"embedding_dim": shape.width, "scale": True, "dropout": DROPOUT},
    }
    return {"tied_embeddings": True, "tied_softmax": True, "encoder": side, "decoder": side}
