"""The Transformer (Vaswani et al. 2017): one attention in three places.

| attention        | query   | memory  | who may look at what                        |
| ---------------- | ------- | ------- | ------------------------------------------- |
| self             | source  | source  | every piece at every piece, not at padding  |
| masked self      | target  | target  | every piece at itself and those before it   |
| source-target    | target  | source  | every piece at every piece, not at padding  |
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend, Remembered
from nmt.attention.choices import NOTHING, Choices, Own
from nmt.attention.dropout import Dropout
from nmt.attention.gate import Gate, NoGate
from nmt.attention.mask import padding_mask
from nmt.attention.mix import Mix, NoMix, maps_of
from nmt.attention.normalize import Normalizer
from nmt.attention.place import Place
from nmt.attention.score import Score
from nmt.attention.sink import NoSink, Sink
from nmt.attention.sizes import check_sizes
from nmt.attention.window import Window
from nmt.errors import UserError, at_least, share
from nmt.models.copying import copying
from nmt.models.embedding import both_embeddings, output_layer
from nmt.models.feed_forward import FeedForward
from nmt.models.positions import Positions
from nmt.models.residual import Norm, Residual
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.models.stack import Stack
from nmt.models.transformer_layers import DecoderLayer, EncoderLayer


class TransformerMemory(NamedTuple):
    """What stays while a sentence is decoded: the source, as each decoder layer remembers it."""

    mask: Tensor  # (B,S) True = a source piece
    keys: tuple[Tensor, ...]  # (B,G,S,K) of each layer, as its attention prepared them
    values: tuple[Tensor, ...]  # (B,G,S,K) of each layer, G = H or key_heads
    source: Tensor  # (B,S) ids


class TransformerState(NamedTuple):
    """What changes at each target position, for each of the K hypotheses: all that was read."""

    position: Tensor  # (B,K) how many target pieces have been read
    keys: tuple[Tensor, ...]  # (B,K,G,t,K) of each layer's masked self-attention, as prepared
    values: tuple[Tensor, ...]  # (B,K,G,t,K) of each layer


class Roomy(TransformerState):
    """The same with room for t places from the start, so that no step changes a shape.

    What was read is in the first places. A step writes into the next place of this same state.
    """


class Transformer(Seq2Seq):
    """Layers of attention and of position-wise networks, without recurrence.

    Args:
        source_vocabulary, target_vocabulary: numbers of pieces.
        width: D, of everything between two layers.
        feed_forward_width: between the two matrices of a position-wise network.
        encoder_layers, decoder_layers: L of each.
        heads, head_width: of every attention; null: width / heads.
        hops: how often every attention looks (hopping).
        tie_keys_values: keys and values of an attention have one matrix, W_V = W_K: K = V.
        key_heads: of keys and values, each for a group of heads; null: as many as heads.
        soft_cap: c: scores become c·tanh(z/c); null: no cap.
        copy: source pieces can be copied (pointer-generator), see :class:`Copy`; needs a joint
            tokenizer.
        dropout: on embeddings and on the output of each sublayer.
        word_dropout: share of the pieces whose whole vector is dropped.
        attention_dropout: on the attention weights.
        feed_forward_dropout: inside the position-wise networks.
        scale_embeddings: multiply embeddings by √D (section 3.4).
        tie_output: the output layer's matrix is the target embeddings.
        share_embeddings: source and target embeddings are one matrix; needs a joint tokenizer.
        causal_mask: false: in training the decoder sees the pieces that it is to predict, and
            learns to copy them. It is there to see what the mask is for.
        padding_mask: false: padding is read like words. To see what the mask is for.
        positions, feed_forward, residual, norm: see the modules of these names.
        attention, normalize, window, sink, gate, mix: of all attentions, see :mod:`nmt.attention`.
        encoder, decoder, cross: other choices for the self-attention of a side and for the
            source-target attention, see :mod:`nmt.attention.choices`.
        freeze: parts whose weights training does not change, see :mod:`nmt.training.frozen`.
    """

    def __init__(
        self,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        width: int,
        feed_forward_width: int,
        encoder_layers: int,
        decoder_layers: int,
        heads: int,
        head_width: int | None,
        hops: int,
        tie_keys_values: bool = False,
        key_heads: int | None = None,
        soft_cap: float | None = None,
        copy: bool = False,
        dropout: float,
        word_dropout: float,
        attention_dropout: float,
        feed_forward_dropout: float,
        scale_embeddings: bool,
        tie_output: bool,
        share_embeddings: bool,
        causal_mask: bool,
        padding_mask: bool,
        positions: Callable[[int, int], Positions],
        feed_forward: Callable[[int, int, float], FeedForward],
        residual: Callable[[int, Norm, float], Residual],
        norm: Norm,
        attention: Callable[..., Score],
        normalize: Callable[[int], Normalizer],
        window: Callable[[int], Window],
        sink: Callable[..., Sink] = NoSink,
        gate: Callable[..., Gate] = NoGate,
        mix: Callable[..., Mix] = NoMix,
        encoder: Own = NOTHING,
        decoder: Own = NOTHING,
        cross: Own = NOTHING,
        freeze: list[str] | None = None,
    ) -> None:
        super().__init__(source_vocabulary=source_vocabulary, target_vocabulary=target_vocabulary)
        self.frozen = tuple(freeze or ())
        at_least(1, {"model.heads": heads})
        check_sizes(
            width=width,
            feed_forward_width=feed_forward_width,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            head_width=head_width,
        )
        dropouts = {
            "dropout": dropout,
            "word_dropout": word_dropout,
            "attention_dropout": attention_dropout,
            "feed_forward_dropout": feed_forward_dropout,
        }
        share({f"model.{name}": value for name, value in dropouts.items()})
        self.source_embedding, self.target_embedding = both_embeddings(
            source_vocabulary,
            target_vocabulary,
            width,
            share_embeddings,
            word_dropout,
            scale=width**0.5 if scale_embeddings else 1.0,
        )
        self.dropout = Dropout(dropout)
        self.width = width
        self.masks_padding = padding_mask
        # A target piece that sees the future sees the padding behind it, too.
        self.reads_padding = not (padding_mask and causal_mask)
        self.positions = positions(width, (head_width or width // heads) // maps_of(mix))
        shared = {
            "attention": attention,
            "normalize": normalize,
            "window": window,
            "sink": sink,
            "gate": gate,
            "mix": mix,
            "heads": heads,
            "head_width": head_width,
            "hops": hops,
            "tie_keys_values": tie_keys_values,
            "key_heads": key_heads,
            "soft_cap": soft_cap,
        }
        own = {Place.ENCODER: encoder, Place.DECODER: decoder, Place.CROSS: cross}
        choices = Choices(shared, own)
        for place in Place:
            layers = encoder_layers if place == Place.ENCODER else decoder_layers
            choices.check_layers(place, layers)

        causal = {Place.ENCODER: False, Place.DECODER: causal_mask}

        def attend(place: Place, layer: int) -> Attend:
            turns = self.positions.turns and place != Place.CROSS
            if turns:
                self.check_turn(place, layer, **choices.at(place, layer))
            return choices.build(
                *(place, layer, width, width, width),
                project=True,
                turn=self.positions.turn if turns else None,
                bias=None if place == Place.CROSS else self.positions.bias(causal[place]),
                dropout=attention_dropout,
            )

        around = partial(residual, width, norm, dropout)
        inner = partial(feed_forward, width, feed_forward_width, feed_forward_dropout)
        self.encoder = Stack[EncoderLayer](
            EncoderLayer(partial(attend, Place.ENCODER, layer), inner, around)
            for layer in range(1, encoder_layers + 1)
        )
        self.decoder = Stack[DecoderLayer](
            DecoderLayer(
                partial(attend, Place.DECODER, layer),
                partial(attend, Place.CROSS, layer),
                inner,
                around,
                causal_mask,
            )
            for layer in range(1, decoder_layers + 1)
        )
        normed = self.encoder[0].around_attention.leaves_normed
        self.encoder_norm = nn.Identity() if normed else norm(width)
        self.decoder_norm = nn.Identity() if normed else norm(width)
        self.output = output_layer(width, self.target_embedding, tie_output)
        vocabularies = source_vocabulary, target_vocabulary
        self.copy = copying(copy, width, vocabularies, self.decoder[-1].cross_attention)
        for module in (*self.encoder.modules(), *self.decoder.modules()):
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def check_turn(
        self,
        place: Place,
        layer: int,
        *,
        heads: int,
        head_width: int | None,
        mix: Callable[..., Mix],
        **_: object,
    ) -> None:
        """Raise UserError for heads of another width than those that positions turn."""
        found = (head_width or self.width // max(heads, 1)) // maps_of(mix)
        if found != self.positions.head_width:
            raise UserError(
                f"{place}.{layer}: its heads have width {found}, but positions=rope rotates heads "
                f"of width {self.positions.head_width}, which follows from model.heads= and "
                f"model.head_width=. Add {place}.head_width={self.positions.head_width}, or choose "
                "other positions="
            )

    def read(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Source ids (B,S), padded with 0 -> the encoder's states (B,S,D) and their mask (B,S)."""
        mask = padding_mask(source) | (not self.masks_padding)
        position = torch.arange(source.size(1), device=source.device)
        x = self.placed(self.source_embedding(source), position)  # (B,S,D)
        for layer in self.encoder:
            x = layer(x, mask, position)
        return self.encoder_norm(x), mask

    def features(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: what the output layer reads, (B,S), (B,T) -> (B,T,D)."""
        states, mask = self.read(source)
        position = torch.arange(target.size(1), device=target.device)
        x = self.placed(self.target_embedding(target), position)  # (B,T,D)
        for layer in self.decoder:
            x = layer(x, states, mask, position)
        return self.decoder_norm(x)

    def encode(self, source: Tensor) -> TransformerMemory:
        """Read source ids (B,S), padded with 0, into the memory of all decoder layers."""
        states, mask = self.read(source)
        keys, values = zip(*(layer.remember(states) for layer in self.decoder), strict=True)
        keys, values = (tuple(one.contiguous() for one in part) for part in (keys, values))
        return TransformerMemory(mask, keys, values, source)

    def start(self, memory: TransformerMemory, room: int = 0) -> TransformerState:
        """Return the state of one hypothesis that has read nothing."""
        rows = memory.mask.size(0)
        nothing = self.output.weight.new_zeros(rows, 1, room, self.width)  # (B,1,t,D)
        remembered = (layer.self_attention.remember(nothing, nothing) for layer in self.decoder)
        position = torch.zeros(rows, 1, dtype=torch.long, device=nothing.device)
        return (Roomy if room else TransformerState)(position, *zip(*remembered, strict=True))

    def step_features(
        self, tokens: Tensor, state: TransformerState, memory: TransformerMemory
    ) -> tuple[Tensor, TransformerState]:
        """Read one more piece of each hypothesis, (B,K): features (B,K,D) and the next state."""
        x = self.placed(self.target_embedding(tokens), state.position)  # (B,K,D)
        read: list[Remembered] = []
        seen = None
        if isinstance(state, Roomy):
            places = torch.arange(state.keys[0].size(-2), device=tokens.device)
            seen = places <= state.position.unsqueeze(-1)  # (B,K,t)
        pasts, sources = (zip(part.keys, part.values, strict=True) for part in (state, memory))
        for layer, past, source in zip(self.decoder, pasts, sources, strict=True):
            x, past = layer.step(x, past, source, memory.mask, state.position, seen)
            read.append(past)
        return self.decoder_norm(x), type(state)(state.position + 1, *zip(*read, strict=True))

    def units(self) -> list[nn.Module]:
        """Return the layers, the encoder's first."""
        return [*self.encoder, *self.decoder]

    def attentions(self) -> dict[Kind, list[Attend]]:
        """Return all attentions, of each kind the lowest layer first."""
        return {
            Kind.SOURCE_TARGET: [layer.cross_attention for layer in self.decoder],
            Kind.ENCODER: [layer.self_attention for layer in self.encoder],
            Kind.DECODER: [layer.self_attention for layer in self.decoder],
        }

    def placed(self, x: Tensor, position: Tensor) -> Tensor:
        """Embeddings (...,D) that know their positions (...)."""
        return self.dropout(self.positions.add(x, position))
