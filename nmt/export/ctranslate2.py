"""A Transformer for CTranslate2, a runtime in C++ that is fast on CPUs, also in int8.

How it computes was read in its version 4.8 (github.com/OpenNMT/CTranslate2, src/layers), and
is tried at each export.
"""

# CTranslate2 declares the fields of its specifications as None or as classes to be replaced.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.cosine import Cosine
from nmt.attention.heads import MultiHead
from nmt.attention.luong_dot import LuongDot
from nmt.attention.place import Place
from nmt.attention.position_bias import ShawBias
from nmt.config.settings import Setting, part_at
from nmt.data.tokenizer import Tokenizer
from nmt.errors import UserError
from nmt.export.original import Original
from nmt.models.embedding import Embedding
from nmt.models.feed_forward import GELU, FeedForward, ReLU, SwiGLU
from nmt.models.norm import RMSNorm
from nmt.models.positions import Rope, Shaw
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import Transformer
from nmt.models.transformer_layers import DecoderLayer, EncoderLayer

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
    from ctranslate2.specs.attention_spec import MultiHeadAttentionSpec
    from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec
    from ctranslate2.specs.transformer_spec import FeedForwardSpec

QUANTIZATIONS = ("float32", "int8")  # of the weights
POSITIONS = 4096  # rows of the table of what is added for positions: no sentence may be longer
ACTIVATIONS: dict[type[FeedForward], str] = {ReLU: "RELU", GELU: "GELU", SwiGLU: "SWISH"}

# The values that it has for settings of a model; it takes those of all others.
EXPRESSED: Mapping[str, tuple[Setting, ...]] = {
    "model": ("transformer",),
    "attention": ("scaled_dot", "luong_dot", "cosine"),
    "normalize": ("softmax",),
    "window": ("full",),
    "sink": ("none",),
    "gate": ("none",),
    "mix": ("none",),
    "positions": ("sinusoidal", "learned", "rope", "shaw", "none"),
    "feed_forward": ("relu", "gelu", "swiglu"),
    "residual": ("pre", "post"),
    "norm": ("layer", "rms"),
    "hops": (1,),
    "soft_cap": (),
    "copy": (False,),
    "causal_mask": (True,),
    "padding_mask": (True,),
}


def misfits(found: Mapping[str, Setting], model: Seq2Seq) -> list[str]:
    """Say which settings of a run CTranslate2 cannot express, and what it has; empty: it has all.

    ``found`` are those of :func:`nmt.config.settings.settings`.
    """
    choices = {key: value for key, value in found.items() if is_of_model(key, found)}
    reasons = [
        f"{key}={typed(value)} (it has {', '.join(map(typed, EXPRESSED[part_at(key)])) or 'none'})"
        for key, value in choices.items()
        if value not in EXPRESSED[part_at(key)]
    ]
    return reasons or list(misfits_of_heads(cast(Transformer, model)))


def is_of_model(key: str, found: Mapping[str, Setting]) -> bool:
    """Tell whether a setting says what the model is, and is not one that all places override."""
    part = part_at(key)
    if part not in EXPRESSED:
        return False
    if key.partition(".")[0] in tuple(Place):
        return True
    return key in (part, f"model.{part}") and not all(f"{one}.{part}" in found for one in Place)


def typed(value: Setting) -> str:
    """Write a value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def misfits_of_heads(model: Transformer) -> Sequence[str]:
    """Say what does not fit in the heads of a decoder, whose parts are all expressed."""
    own, cross = multi(model.decoder[0].self_attention), multi(model.decoder[0].cross_attention)
    if own.heads != cross.heads:
        return [f"cross.heads={cross.heads} (its decoder has one number of heads: {own.heads})"]
    layers = [multi(layer.cross_attention) for layer in model.decoder]
    if cross.heads > 1 and any(isinstance(one.attention.score, Cosine) for one in layers):
        return [
            f"cross.attention=cosine with {cross.heads} heads (there it normalizes the queries of "
            "all heads together; cosine fits in encoder and decoder, and in cross with one head)"
        ]
    return []


def save(original: Original, folder: Path, quantization: str) -> None:
    """Write the model and the SentencePiece models of both sides into a folder that is there.

    ``quantization`` is one of QUANTIZATIONS.
    """
    translator = original.translator
    spec = spec_of(cast(Transformer, translator.model))
    # CTranslate2 finds them by name, and a SentencePiece model of the user's may call them anything
    special = [
        pieces(one)[1:4] for one in (translator.source_tokenizer, translator.target_tokenizer)
    ]
    if special[0] != special[1]:
        raise UserError(
            "the two tokenizers name their special pieces differently "
            f"({' '.join(special[0])}; {' '.join(special[1])}), which CTranslate2 cannot express"
        )
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = special[0]
    spec.config.decoder_start_token = spec.config.bos_token
    spec.register_source_vocabulary(pieces(translator.source_tokenizer))
    spec.register_target_vocabulary(pieces(translator.target_tokenizer))
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    translator.source_tokenizer.save(folder, "source")
    translator.target_tokenizer.save(folder, "target")


def log_ps(
    folder: Path, sources: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[np.ndarray]:
    """Force what :func:`save` wrote: ln P of each target piece and of </s>, (N,) a sentence.

    Ids are without <s> and </s>.
    """
    from ctranslate2 import Translator as Exported

    model = Exported(str(folder), intra_threads=torch.get_num_threads())
    tokenizers = (Tokenizer.load(folder, side) for side in ("source", "target"))
    source, target = (
        [tokenizer.pieces(line) for line in lines]
        for tokenizer, lines in zip(tokenizers, (sources, targets), strict=True)
    )
    return [np.array(found.log_probs) for found in model.score_batch(source, target)]


def spec_of(model: Transformer) -> "TransformerSpec":
    """Return a model that has no :func:`misfits`, as CTranslate2 describes one.

    Its weights are copies: to quantize them leaves the model as it is.
    """
    from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    feed_forward = model.encoder[0].feed_forward
    kinds: dict[str, Any] = {
        "pre_norm": not model.encoder[0].around_attention.leaves_normed,
        "rms_norm": isinstance(model.encoder[0].around_attention.norm, RMSNorm),
        "activation": Activation[ACTIVATIONS[type(feed_forward)]],
        "ffn_glu": isinstance(feed_forward, SwiGLU),
    }
    if isinstance(model.positions, Rope):  # each attention has the rest, see `attention_spec`
        kinds["rotary_dim"] = 0
    encoder = TransformerEncoderSpec(
        len(model.encoder), multi(model.encoder[0].self_attention).heads, **kinds
    )
    decoder = TransformerDecoderSpec(
        len(model.decoder), multi(model.decoder[0].self_attention).heads, **kinds
    )
    put_embedding(encoder, encoder.embeddings[0], model.source_embedding, model)
    put_embedding(decoder, decoder.embeddings, model.target_embedding, model)
    for spec, layer in zip(encoder.layer, model.encoder, strict=True):
        put_encoder_layer(spec, layer)
    for spec, layer in zip(decoder.layer, model.decoder, strict=True):
        put_decoder_layer(spec, layer)
    if kinds["pre_norm"]:
        put_norm(encoder.layer_norm, model.encoder_norm)
        put_norm(decoder.layer_norm, model.decoder_norm)
    put_linear(decoder.projection, model.output)
    spec = TransformerSpec(encoder, decoder)
    spec.config.add_source_eos = True
    return spec


def put_embedding(
    spec: "TransformerEncoderSpec | TransformerDecoderSpec",
    matrix: Any,
    embedding: Embedding,
    model: Transformer,
) -> None:
    """Put the embeddings of a side, and what positions add to them.

    CTranslate2's own sinusoids are others, so a table is written. It wants one without positions
    too, which adds 0.
    """
    matrix.weight = array(embedding.weight)
    spec.scale_embeddings = np.float32(embedding.scale)
    if isinstance(model.positions, Rope | Shaw):
        if hasattr(spec, "position_encodings"):
            del spec.position_encodings
        return
    nothing = torch.zeros(POSITIONS, model.width)
    added = model.positions.add(nothing, torch.arange(POSITIONS))
    spec.position_encodings.encodings = array(added)


def put_encoder_layer(spec: Any, layer: EncoderLayer) -> None:
    """Put what a layer of the encoder has."""
    spec.self_attention = attention_spec(layer.self_attention, layer.around_attention.norm)
    put_feed_forward(spec.ffn, layer.feed_forward, layer.around_feed_forward.norm)


def put_decoder_layer(spec: Any, layer: DecoderLayer) -> None:
    """Put what a layer of the decoder has."""
    spec.self_attention = attention_spec(layer.self_attention, layer.around_self.norm)
    spec.attention = attention_spec(layer.cross_attention, layer.around_cross.norm, cross=True)
    put_feed_forward(spec.ffn, layer.feed_forward, layer.around_feed_forward.norm)


def attention_spec(
    attend: Attend, norm: nn.Module, cross: bool = False
) -> "MultiHeadAttentionSpec":
    """Return an attention and the norm around it; ``cross``: from the target at the source.

    Its scores are queries_scale · q·k. A cosine is made of its norms of query and key, by the root
    of the mean of squares over the width K of a head: with 1/√K as their weights each vector has
    length 1. It turns them after that, we before, which is the same.
    """
    from ctranslate2.converters.utils import fuse_linear
    from ctranslate2.specs.attention_spec import MultiHeadAttentionSpec
    from ctranslate2.specs.common_spec import LinearSpec

    attend = multi(attend)
    assert attend.W_Q is not None
    assert attend.W_K is not None
    score, key_heads = attend.attention.score, attend.key_heads
    is_cosine = isinstance(score, Cosine)
    spec = MultiHeadAttentionSpec(
        self_attention=not cross,
        rms_norm=isinstance(norm, RMSNorm),
        rotary_dim=0 if attend.turn else None,
        rotary_interleave=False,
        num_heads_kv=key_heads if key_heads < attend.heads else None,
        head_dim=score.key_width,
        qk_norm=is_cosine,
        relative_position=isinstance(bias := attend.attention.bias, ShawBias),
    )
    if isinstance(bias, ShawBias):
        spec.relative_position_keys = array(bias.a)
        del spec.relative_position_values
    put_norm(spec.layer_norm, norm)
    projections = [LinearSpec() for _ in range(3)]
    for one, weights in zip(
        projections, (attend.W_Q, attend.W_K, attend.W_V or attend.W_K), strict=True
    ):
        put_linear(one, weights)
    if cross:
        spec.linear[0] = projections[0]
        fuse_linear(spec.linear[1], projections[1:])
    else:
        fuse_linear(spec.linear[0], projections)
    put_linear(spec.linear[-1], attend.W_O)
    scale = score.key_width**-0.5
    if is_cosine:
        for one in (spec.q_norm, spec.k_norm):
            one.gamma = np.full(score.key_width, scale, np.float32)
        scale = score.g.item()
    elif isinstance(score, LuongDot):
        scale = 1.0
    spec.queries_scale = np.float32(scale)
    return spec


def put_feed_forward(spec: "FeedForwardSpec", network: FeedForward, norm: nn.Module) -> None:
    """Put a position-wise network, and the norm around it."""
    put_norm(spec.layer_norm, norm)
    put_linear(spec.linear_0, network.W1)
    put_linear(spec.linear_1, network.W2)
    if isinstance(network, SwiGLU):
        put_linear(spec.linear_0_noact, network.V)


def put_norm(spec: "LayerNormSpec", norm: nn.Module) -> None:
    """Put the weights of a norm. Its ε is that of ours: 1e-5, of an RMS norm 1e-6."""
    spec.gamma = array(norm.weight)
    if not isinstance(norm, RMSNorm):
        spec.beta = array(norm.bias)


def put_linear(spec: "LinearSpec", linear: nn.Linear) -> None:
    """Put a matrix, with its bias if it has one."""
    spec.weight = array(linear.weight)
    if linear.bias is not None:
        spec.bias = array(linear.bias)


def multi(attend: Attend) -> MultiHead:
    """Return an attention as what it is in a Transformer of one hop."""
    assert isinstance(attend, MultiHead)
    return attend


def pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the vocabulary in the order of its ids."""
    return tokenizer.pieces(range(len(tokenizer)))


def array(tensor: Any) -> np.ndarray:
    """Return a copy of a tensor as float32 in numpy."""
    assert isinstance(tensor, Tensor)
    return tensor.detach().float().cpu().numpy().copy()
