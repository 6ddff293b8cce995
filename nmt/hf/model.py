"""A Transformer of nmt behind the interface of transformers: `generate`, `Trainer`, caches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.generation.utils import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from nmt.attention.attend import Remembered
from nmt.attention.attention import record_attention
from nmt.attention.mask import PAD
from nmt.attention.recorded import split
from nmt.data.tokenizer import BOS
from nmt.errors import UserError
from nmt.hf.config import NmtConfig
from nmt.models.attention_maps import inside
from nmt.models.copying import mixed
from nmt.models.seq2seq import Kind
from nmt.models.transformer import Transformer
from nmt.models.transformer_layers import DecoderLayer
from nmt.run import build_model

IGNORED = -100  # the label of what is not predicted
Weights = tuple[Tensor, ...] | None  # (B,H,T,S) of each layer, or of each hop


@dataclass
class Encoded(BaseModelOutput):
    """What the encoder says of a batch, with its ids."""

    source: Tensor | None = None  # (B,S), PAD where nothing is read


class Encoder(nn.Module):
    """The encoder of a model, without parameters of its own."""

    main_input_name = "input_ids"

    def __init__(self, model: "NmtForConditionalGeneration") -> None:
        super().__init__()
        self.of = [model]  # in a list, so that the model is no part of it

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> Encoded:
        """Read source ids (B,S) that end in </s>, with padding on the right.

        ValueError for padding on the left.
        """
        (model,) = self.of
        return model.read(input_ids, attention_mask, bool(output_attentions))


class NmtForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A Transformer of nmt with all its choices: scores, normalizers, windows, positions …

    ``model.transformer`` is the module that nmt trained. Its keys and values lie in the caches of
    transformers, so that beam search, sampling and assisted generation work as they are.
    """

    config_class = NmtConfig
    base_model_prefix = "transformer"
    main_input_name = "input_ids"
    accepts_loss_kwargs = False  # the loss is a mean: Trainer divides it where it accumulates
    config: NmtConfig

    def __init__(self, config: NmtConfig) -> None:
        super().__init__(config)
        with torch.device("cpu"):  # not on "meta", where `from_pretrained` builds: see `constants`
            model = build_model(
                config.parts, range(config.source_vocab_size), range(config.vocab_size)
            )
        if not isinstance(model, Transformer):
            raise UserError(
                f"{type(model).__name__} is not a Transformer, and nmt.hf has no other model"
            )
        self.transformer = model
        self._tied_weights_keys = tied(self)
        # `from_pretrained` leaves buffers that are not saved without values.
        self.constants = {
            module: {name: getattr(module, name).clone() for name in names}
            for module in model.modules()
            if (names := module._non_persistent_buffers_set)
        }
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Leave weights as nmt makes them; give buffers that are not saved their values."""
        for name, value in self.constants.get(module, {}).items():
            getattr(module, name).copy_(value)

    def get_encoder(self, modality: str | None = None) -> Encoder:
        """Return what reads a source."""
        return Encoder(self)

    def get_input_embeddings(self) -> nn.Module:
        """Return the embeddings of the source."""
        return self.transformer.source_embedding

    def get_output_embeddings(self) -> nn.Module:
        """Return the output layer."""
        return self.transformer.output

    def read(
        self, input_ids: Tensor, attention_mask: Tensor | None, output_attentions: bool
    ) -> Encoded:
        """Read sources, see :class:`Encoder`."""
        source = input_ids
        if attention_mask is not None:
            source = source.masked_fill(attention_mask == 0, PAD)
        is_piece = source != PAD
        if bool((is_piece[:, 1:] & ~is_piece[:, :-1]).any()):
            raise ValueError(
                "a source has padding before or between its pieces, and this model reads padding "
                'on the right alone: tokenizer.padding_side = "right"'
            )
        with self.recording(output_attentions) as recorded:
            states, _ = self.transformer.read(source)
        attentions = self.weights(recorded, Kind.ENCODER, source.size(1))
        return Encoded(last_hidden_state=states, attentions=attentions, source=source)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: Encoded | None = None,
        cache: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """Predict the next target pieces, (B,T,V), and the loss where there are ``labels``.

        Args:
            input_ids, attention_mask: sources (B,S), see :class:`Encoder`; or ``encoder_outputs``,
                what it gave.
            decoder_input_ids: <s> … (B,T); with a ``cache`` those behind what it holds. None:
                ``labels`` with <s> before them.
            labels: … </s> (B,T), -100 where nothing is predicted. The loss is the mean over the
                others, without label smoothing.
        """
        if labels is not None:
            use_cache = False
            if decoder_input_ids is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        if decoder_input_ids is None:
            raise ValueError("give decoder_input_ids or labels")
        if encoder_outputs is None:
            if input_ids is None:
                raise ValueError("give input_ids, or encoder_outputs of get_encoder()")
            encoder_outputs = self.read(input_ids, attention_mask, bool(output_attentions))
        if use_cache and cache is None:
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        copied_from = self.transformer.copy is not None
        with self.recording(bool(output_attentions) or copied_from) as recorded:
            features = self.features(decoder_input_ids, encoder_outputs, cache)
        logits = self.transformer.output(features)
        if self.transformer.copy is not None:
            source = encoder_outputs.source
            assert source is not None
            (weights,) = (
                recorded[self.names[one]] for one in inside(self.transformer.copied_from())
            )
            logits = mixed(logits, self.transformer.copy(features, weights, source), source)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        length = decoder_input_ids.size(1)
        held = cache if isinstance(cache, EncoderDecoderCache) else None
        asked = recorded if output_attentions else {}
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            cache=held,
            decoder_attentions=self.weights(asked, Kind.DECODER, length),
            cross_attentions=self.weights(asked, Kind.SOURCE_TARGET, length),
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_attentions=encoder_outputs.attentions,
        )

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Return what the decoder reads to predict labels: <s> before them, the last left out."""
        read = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD)
        start = labels.new_full((len(labels), 1), BOS)
        return torch.cat([start, read], 1)

    def features(self, target: Tensor, encoded: Encoded, cache: Cache | None) -> Tensor:
        """Return what the output layer reads: target ids (B,T) behind what is cached -> (B,T,D)."""
        model, states, source = self.transformer, encoded.last_hidden_state, encoded.source
        assert states is not None
        assert source is not None
        mask = (source != PAD) | (not model.masks_padding)  # (B,S)
        read = cache.get_seq_length() if cache is not None else 0
        position = torch.arange(read, read + target.size(1), device=target.device)
        x = model.placed(model.target_embedding(target), position)  # (B,T,D)
        for index, layer in enumerate(model.decoder):
            if cache is None:
                x = layer(x, states, mask, position)
            else:
                x = advance(layer, index, x, states, mask, position, cache)
        return model.decoder_norm(x)

    @property
    def names(self) -> dict[nn.Module, str]:
        """The name of each module of the Transformer."""
        return {module: name for name, module in self.transformer.named_modules()}

    @contextmanager
    def recording(self, wanted: bool) -> Iterator[dict[str, list[Tensor]]]:
        """Record attention weights inside the block, if they are wanted."""
        if not wanted:
            yield {}
            return
        with record_attention(self.transformer, detached=not self.training) as recorded:
            yield recorded

    def weights(self, recorded: dict[str, list[Tensor]], kind: Kind, queries: int) -> Weights:
        """Return the weights of one kind of attention for so many queries; None: not recorded."""
        if not recorded:
            return None
        layers = [
            recorded[self.names[one]]
            for attend in self.transformer.attentions()[kind]
            for one in inside(attend)
        ]
        return tuple(hop for layer in layers for hop in split(layer, queries))


def advance(
    layer: DecoderLayer,
    index: int,
    x: Tensor,
    states: Tensor,
    mask: Tensor,
    position: Tensor,
    cache: Cache,
) -> Tensor:
    """Take further positions (B,T,D) through a layer whose keys and values are cached."""
    assert isinstance(cache, EncoderDecoderCache)

    def look_back(x: Tensor) -> Tensor:
        remembered = layer.self_attention.remember(x, x, position)
        keys, values = cache.self_attention_cache.update(*remembered, index)
        place = torch.arange(keys.size(-2), device=x.device)
        return layer.self_attention(x, keys, values, place <= position[:, None], position)

    x = layer.around_self(x, look_back)
    return layer.look_across(x, source_of(layer, index, states, cache), mask, position)


def source_of(
    layer: DecoderLayer, index: int, states: Tensor, cache: EncoderDecoderCache
) -> Remembered:
    """Return the source as a layer remembers it, which is cached when it is first asked for."""
    held = cache.cross_attention_cache
    if cache.is_updated.get(index):
        kept: Any = held.layers[index]
        return kept.keys, kept.values
    cache.is_updated[index] = True
    return held.update(*layer.remember(states), index)


def tied(model: nn.Module) -> dict[str, str]:
    """Return the names of parameters that are another one, each with the first name of it."""
    first: dict[nn.Parameter, str] = {}
    found: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter in first:
            found[name] = first[parameter]
        else:
            first[parameter] = name
    return found
