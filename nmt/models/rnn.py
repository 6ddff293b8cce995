"""The recurrent encoder-decoder with attention (Bahdanau et al. 2015; Luong et al. 2015)."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
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
from nmt.errors import UserError, share
from nmt.hardware.products import Linear
from nmt.models.bridge import Bridge
from nmt.models.copying import copying
from nmt.models.decoder import Decoder, RecurrentMemory, RecurrentState
from nmt.models.embedding import both_embeddings, output_layer
from nmt.models.encoder import Encoder
from nmt.models.recurrent import Recurrent
from nmt.models.seq2seq import Kind, Seq2Seq


class RNN(Seq2Seq):
    """An encoder of recurrent layers, a decoder of recurrent layers, and attention between them.

    Self-attention on either side is made of the same parts, its heads always projected.

    Args:
        source_vocabulary, target_vocabulary: numbers of pieces.
        embedding_width: E of both sides.
        encoder_width: per direction; encoder_layers, bidirectional: see :class:`Encoder`.
        decoder_width, decoder_layers: see :class:`Decoder`.
        readout_width: width of what the output layer reads; null: ``embedding_width`` where the
            output is tied, else ``decoder_width``.
        soft_cap: c: scores become c·tanh(z/c); null: no cap.
        copy: source pieces can be copied (pointer-generator), see :class:`Copy`; needs a joint
            tokenizer.
        dropout: on embeddings, between layers and on the features.
        word_dropout: share of the pieces whose whole vector is dropped.
        attention_dropout: on the attention weights.
        tie_output: the output layer's matrix is the target embeddings (Press and Wolf 2017).
        share_embeddings: source and target embeddings are one matrix; needs a joint tokenizer.
        scale_embeddings: multiply embeddings by √embedding_width, so that what the layers read
            has variance 1 from the start.
        heads: of every attention; hops: how often the source-target attention looks (hopping).
        tie_keys_values: where keys and values are projected, by one matrix for both: K = V. One
            head of source-target attention has no projections, and K = V as it is.
        output_memory: the source-target attention reads the encoder's outputs, tanh(W h_s + b), and
            not its hidden states h_s themselves.
        key_heads: of keys and values, each for a group of heads; null: as many as heads.
        encoder_self_attention: the encoder's states attend to each other, see :class:`Encoder`.
        decoder_self_attention: the decoder attends to its own states so far, see :class:`Decoder`.
        cell: the layer: ``LSTM`` or ``GRU``.
        bridge: how the decoder starts: ``Zero``, ``Last`` or ``Mean``.
        order: ``BahdanauDecoder`` or ``LuongDecoder``.
        attention, normalize, window, sink, gate, mix: see :mod:`nmt.attention`.
        encoder, decoder, cross: other choices for the self-attention of a side and for the
            source-target attention, see :mod:`nmt.attention.choices`.
        freeze: parts whose weights training does not change, see :mod:`nmt.training.frozen`.
    """

    def __init__(
        self,
        *,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding_width: int,
        encoder_width: int,
        encoder_layers: int,
        bidirectional: bool,
        decoder_width: int,
        decoder_layers: int,
        readout_width: int | None,
        dropout: float,
        word_dropout: float,
        attention_dropout: float,
        tie_output: bool,
        share_embeddings: bool,
        scale_embeddings: bool,
        heads: int,
        hops: int,
        tie_keys_values: bool = False,
        output_memory: bool = False,
        key_heads: int | None = None,
        soft_cap: float | None = None,
        copy: bool = False,
        encoder_self_attention: bool,
        decoder_self_attention: bool,
        cell: Callable[..., Recurrent],
        bridge: Callable[[int, int], Bridge],
        order: Callable[..., Decoder],
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
        check_sizes(
            embedding_width=embedding_width,
            encoder_width=encoder_width,
            encoder_layers=encoder_layers,
            decoder_width=decoder_width,
            decoder_layers=decoder_layers,
            readout_width=readout_width,
        )
        dropouts = {
            "dropout": dropout,
            "word_dropout": word_dropout,
            "attention_dropout": attention_dropout,
        }
        share({f"model.{name}": value for name, value in dropouts.items()})
        readout = readout_width or (embedding_width if tie_output else decoder_width)
        if tie_output and readout != embedding_width:
            raise UserError(
                f"model.readout_width={readout} is not model.embedding_width={embedding_width}: "
                "an output tied to the embeddings has their width. Leave "
                "model.readout_width=null, or set model.tie_output=false."
            )
        self.source_embedding, self.target_embedding = both_embeddings(
            source_vocabulary,
            target_vocabulary,
            embedding_width,
            share_embeddings,
            word_dropout,
            scale=embedding_width**0.5 if scale_embeddings else 1.0,
        )
        shared = {
            "attention": attention,
            "normalize": normalize,
            "window": window,
            "sink": sink,
            "gate": gate,
            "mix": mix,
            "heads": heads,
            "hops": hops,
            "tie_keys_values": tie_keys_values,
            "key_heads": key_heads,
            "soft_cap": soft_cap,
        }
        own = {Place.ENCODER: encoder, Place.DECODER: decoder, Place.CROSS: cross}
        self_attention = {
            Place.ENCODER: encoder_self_attention,
            Place.DECODER: decoder_self_attention,
        }
        choices = Choices(shared, own)
        check_places(choices, self_attention)

        def self_attend(place: Place, width: int) -> Attend:
            options = {"hops": 1, "project": True, "dropout": attention_dropout}
            return choices.build(place, 1, width, width, width, **options)

        self.encoder = Encoder(
            embedding_width,
            encoder_width,
            encoder_layers,
            bidirectional,
            cell,
            dropout,
            partial(self_attend, Place.ENCODER) if encoder_self_attention else None,
        )
        widths = decoder_width, self.encoder.width, self.encoder.width
        options = {"dropout": attention_dropout, "in_turn": True}
        attend = choices.build(Place.CROSS, 1, *widths, **options)
        check_tied(choices, self_attention)
        self.decoder = order(
            input_width=embedding_width,
            width=decoder_width,
            num_layers=decoder_layers,
            cell=cell,
            attend=attend,
            readout_width=readout,
            dropout=dropout,
            self_attend=(
                self_attend(Place.DECODER, decoder_width) if decoder_self_attention else None
            ),
        )
        self.attend = attend
        if output_memory and attend.one_slot:
            raise UserError(
                "model.output_memory=true does not apply to attention=none, which reads the last "
                "hidden state alone: leave it out, or choose another attention"
            )
        self.to_outputs = Linear(self.encoder.width, self.encoder.width) if output_memory else None
        state_width = self.decoder.cells[0].state_width
        self.bridge = bridge(self.encoder.width, decoder_layers * state_width)
        self.start_shape = (decoder_layers, state_width)
        self.output = output_layer(readout, self.target_embedding, tie_output)
        self.copy = copying(copy, readout, (source_vocabulary, target_vocabulary), attend)
        self.dropout = Dropout(dropout)

    def encode(self, source: Tensor) -> RecurrentMemory:
        """Read source ids (B,S), padded with 0, into the memory of the decoder."""
        mask = padding_mask(source)
        x = self.dropout(self.source_embedding(source))  # (B,S,E)
        states, last = self.encoder(x, mask)
        start = self.bridge(states, last, mask).unflatten(-1, self.start_shape)  # (B,L,W)
        if self.attend.one_slot:
            states, mask = last.unsqueeze(1), mask[:, :1]
        if self.to_outputs is not None:
            states = torch.tanh(self.to_outputs(states))
        keys, values = self.attend.remember(states, states)
        return RecurrentMemory(keys, values, mask, start, source)

    def start(self, memory: RecurrentMemory, room: int = 0) -> RecurrentState:
        """Return the state (B,1,...) before the first piece; with self-attention it will grow."""
        return self.decoder.start(memory)

    def step_features(
        self, tokens: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Read one more piece of each hypothesis, (B,K): features (B,K,R) and the next state."""
        return self.decoder.step(self.dropout(self.target_embedding(tokens)), state, memory)

    def features(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: what the output layer reads, (B,S), (B,T) -> (B,T,R)."""
        memory = self.encode(source)
        return self.decoder(self.dropout(self.target_embedding(target)), memory)

    def units(self) -> list[nn.Module]:
        """Return the encoder's layers; the decoder may be read position by position."""
        return list(self.encoder.layers)

    def attentions(self) -> dict[Kind, list[Attend]]:
        """Return all attentions, one of each kind that there is."""
        found = {
            Kind.SOURCE_TARGET: self.attend,
            Kind.ENCODER: self.encoder.self_attend,
            Kind.DECODER: self.decoder.self_attend,
        }
        return {kind: [attend] for kind, attend in found.items() if attend is not None}


def check_places(choices: Choices, self_attention: Mapping[Place, bool]) -> None:
    """Raise UserError for choices in a place where there is no attention, or no such layer."""
    for place, there in self_attention.items():
        if choices.own[place] and not there:
            raise UserError(
                f"{place}.{next(iter(choices.own[place]))} is for the self-attention of the "
                f"{place}, which this RNN does not have: add model.{place}_self_attention=true, "
                "or use cross. for its source-target attention"
            )
    for place in Place:
        choices.check_layers(place, 1)


def check_tied(choices: Choices, self_attention: Mapping[Place, bool]) -> None:
    """Raise UserError for tied keys and values where nothing projects them."""
    projected = [place for place, there in self_attention.items() if there]
    across = choices.at(Place.CROSS)
    if across["heads"] > 1 or maps_of(across["mix"]) > 1:
        projected.append(Place.CROSS)
    tied = [place for place in Place if choices.at(place)["tie_keys_values"]]
    if tied and not set(tied) & set(projected):
        raise UserError(
            "model.tie_keys_values=true does not apply to model.heads=1: one head projects "
            "nothing, so keys and values are the same states, K = V. Remove "
            "model.tie_keys_values, or choose model.heads=2 or more"
        )
