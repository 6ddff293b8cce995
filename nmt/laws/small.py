"""Attentions and models around a part, so small that all laws are tried in seconds."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from nmt.attention.attend import Attend
from nmt.attention.bahdanau import Bahdanau
from nmt.attention.build import build_attention
from nmt.attention.gate import NoGate, RMSGate, SigmoidGate
from nmt.attention.mix import NoMix
from nmt.attention.normalize import Softmax, Sparsemax
from nmt.attention.place import Place
from nmt.attention.scaled_dot import ScaledDot
from nmt.attention.sink import NoSink, ZeroSink
from nmt.attention.window import Full, LocalM
from nmt.laws.model import SOURCE_VOCABULARY, TARGET_VOCABULARY
from nmt.models.bridge import Last
from nmt.models.decoder import BahdanauDecoder, LuongDecoder
from nmt.models.feed_forward import ReLU
from nmt.models.norm import LayerNorm
from nmt.models.positions import Positions, Sinusoidal
from nmt.models.recurrent import LSTM
from nmt.models.residual import PreNorm
from nmt.models.rnn import RNN
from nmt.models.seq2seq import Seq2Seq
from nmt.models.transformer import Transformer

Make = Callable[..., Any]
USUAL = {
    "attention": ScaledDot,
    "normalize": Softmax,
    "window": Full,
    "sink": NoSink,
    "gate": NoGate,
    "mix": NoMix,
}
TRIED = (*USUAL, "positions")  # the parts that the laws are for
AROUND: dict[str, dict[str, Any]] = {
    "alone": {},
    "two heads, two hops": {"heads": 2, "hops": 2},
    "with bahdanau": {"attention": Bahdanau},
    "with sparsemax": {"normalize": Sparsemax},
    "with local_m": {"window": partial(LocalM, radius=2)},
    "with a sink": {"sink": ZeroSink},
    "with a gate": {"gate": SigmoidGate},
}


def around(part: str) -> dict[str, dict[str, Any]]:
    """Return what a part is tried with, by name."""
    return {name: choices for name, choices in AROUND.items() if part not in choices}


def usual_beside(part: str, make: Make) -> dict[str, Any]:
    """Return what stands beside a part: weights of any size need a gate that rescales."""
    kind: Any = getattr(make, "func", make)
    unbounded = part == "normalize" and not kind.bounded
    return {**USUAL, "gate": RMSGate} if unbounded else USUAL


def attention(part: str, make: Make, choices: dict[str, Any]) -> Callable[[int, int, int], Attend]:
    """Return what makes an attention with a part, for widths of query, key and value."""
    parts = {**usual_beside(part, make), **choices, part: make}
    score = parts.pop("attention")
    if part == "positions":
        return partial(self_attention, parts.pop(part), score=score, **parts)
    return partial(build_attention, score=score, in_turn=True, **parts)


def self_attention(
    make: Make, query_width: int, key_width: int, value_width: int, heads: int = 1, **parts: Any
) -> Attend:
    """Build the self-attention of an encoder that has its order from positions."""
    positions: Positions = make(query_width, query_width // heads)
    return build_attention(
        *(query_width, key_width, value_width),
        heads=heads,
        project=True,
        turn=positions.turn if positions.turns else None,
        bias=positions.bias(causal=False),
        place=Place.ENCODER,
        **parts,
    )


def models(part: str, make: Make) -> dict[str, Callable[[], Seq2Seq]]:
    """Return what makes small models with a part in every place, in float64, by their names.

    An RNN has no positions.
    """
    parts: dict[str, Any] = {**usual_beside(part, make), part: make}
    if part == "positions":
        return {"in a Transformer": lambda: transformer(parts)}
    return {
        "in an RNN": lambda: rnn(parts, partial(LuongDecoder, input_feed=False), within=False),
        "in an RNN, order=bahdanau": lambda: rnn(parts, BahdanauDecoder, within=False),
        "in an RNN that looks at itself": lambda: rnn(parts, BahdanauDecoder, within=True),
        "in a Transformer": lambda: transformer(parts),
    }


def rnn(parts: dict[str, Any], order: Make, within: bool) -> Seq2Seq:
    """Make an RNN; ``within`` it looks at itself on both sides."""
    torch.manual_seed(1)
    model = RNN(
        source_vocabulary=SOURCE_VOCABULARY,
        target_vocabulary=TARGET_VOCABULARY,
        embedding_width=6,
        encoder_width=4,
        encoder_layers=1,
        bidirectional=True,
        decoder_width=8,
        decoder_layers=2,
        readout_width=7,
        dropout=0.0,
        word_dropout=0.0,
        attention_dropout=0.0,
        tie_output=False,
        share_embeddings=False,
        scale_embeddings=True,
        heads=1,
        hops=1,
        encoder_self_attention=within,
        decoder_self_attention=within,
        cell=LSTM,
        bridge=Last,
        order=order,
        **parts,
    )
    return model.double().eval()


def transformer(parts: dict[str, Any]) -> Seq2Seq:
    """Make a Transformer of two layers on each side."""
    torch.manual_seed(1)
    model = Transformer(
        source_vocabulary=SOURCE_VOCABULARY,
        target_vocabulary=TARGET_VOCABULARY,
        width=12,
        feed_forward_width=14,
        encoder_layers=2,
        decoder_layers=2,
        heads=3,
        head_width=None,
        hops=1,
        dropout=0.0,
        word_dropout=0.0,
        attention_dropout=0.0,
        feed_forward_dropout=0.0,
        scale_embeddings=True,
        tie_output=False,
        share_embeddings=False,
        causal_mask=True,
        padding_mask=True,
        feed_forward=ReLU,
        residual=PreNorm,
        norm=LayerNorm,
        **{"positions": Sinusoidal, **parts},
    )
    return model.double().eval()
