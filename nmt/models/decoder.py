"""The two orders of a recurrent decoder: attend and then step, or step and then attend.

Both read the embeddings of the target and give the features from which the output layer predicts
the next piece. ``forward`` takes all positions at once (teacher forcing), ``step`` takes one
position of each of the K hypotheses; a test holds the two together.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.dropout import Dropout
from nmt.hardware.products import Linear
from nmt.models.recurrent import Recurrent
from nmt.models.stack import Stack


class RecurrentMemory(NamedTuple):
    """What stays while a sentence is decoded."""

    keys: Tensor  # (B,…) as the attention prepared them
    values: Tensor  # (B,…)
    mask: Tensor  # (B,S) True = a source piece
    start: Tensor  # (B,L,W) the layers' states before the first target piece
    source: Tensor  # (B,S) ids


class RecurrentState(NamedTuple):
    """What changes at each target position, for each of the K hypotheses."""

    layers: Tensor  # (B,K,L,W) each layer's state
    feed: Tensor  # (B,K,F) the attentional vector to feed back; F = 0 where none is
    past: Tensor  # (B,K,[H,]X) of its source-target attention, see Historic; else (B,K,0)
    keys: Tensor  # (B,K,[H,]t,·) its own states so far, as self-attention prepared them,
    values: Tensor  # (B,K,[H,]t,·) or both (B,K,0) where there is none
    position: Tensor  # (B,K) how many target pieces have been read


class DecoderParts(TypedDict):
    """What every recurrent decoder is made of."""

    input_width: int  # E, width of the target embeddings
    width: int  # D, width of the recurrent layers and of the attention's query
    num_layers: int  # L; the attention's query is the output of the top one
    cell: Callable[[int, int, int], Recurrent]  # from input width, width, fed-back width
    attend: Attend  # the source-target attention
    self_attend: Attend | None  # the target-target attention of queries and states of width D
    readout_width: int  # R, width of the features
    dropout: float  # between layers and on the features


class Decoder(nn.Module, ABC):
    """A stack of recurrent layers over the target, with one source-target attention.

    With self-attention (target-target), the decoder looks back at its own states too, and what it
    finds there stands beside the source's context wherever that is read: [c_t ; c'_t]. It is the
    intra-decoder attention of Paulus et al. 2018 (A deep reinforced model for abstractive
    summarization, section 2.2), except that the newest state is among the keys here.

    Args:
        feed_width: F, of what is fed to the first layer beside the embedding.
        parts: what every decoder is made of.
    """

    def __init__(self, feed_width: int, **parts: Unpack[DecoderParts]) -> None:
        super().__init__()
        width, more_layers = parts["width"], parts["num_layers"] - 1
        inputs = [parts["input_width"]] + [width] * more_layers
        feeds = [feed_width] + [0] * more_layers
        cell = parts["cell"]
        self.cells = Stack[Recurrent](cell(i, width, f) for i, f in zip(inputs, feeds, strict=True))
        self.attend = parts["attend"]
        self.self_attend = parts["self_attend"]
        self.dropout = Dropout(parts["dropout"])
        self.feed_width = feed_width

    @abstractmethod
    def forward(self, x: Tensor, memory: RecurrentMemory) -> Tensor:
        """Read the embeddings of whole targets, (B,T,E): features (B,T,R)."""

    @abstractmethod
    def step(
        self, x: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Read the embedding of each hypothesis's next piece, (B,K,E): features (B,K,R)."""

    @abstractmethod
    def advance(
        self, gates: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Take one position, given the embedding's share of the gates (B,K,G): what is found."""

    def start(self, memory: RecurrentMemory) -> RecurrentState:
        """Return the state of one hypothesis that has read nothing."""
        layers = memory.start.unsqueeze(1)  # (B,1,L,W)
        feed = keys = values = layers.new_zeros(layers.size(0), 1, 0)
        if self.self_attend is not None:
            nothing = layers.new_zeros(layers.size(0), 1, 0, self.cells[-1].width)  # (B,1,0,D)
            keys, values = self.self_attend.remember(nothing, nothing)
        position = torch.zeros(layers.shape[:2], dtype=torch.long, device=layers.device)
        past = self.attend.no_history(memory.mask)
        return RecurrentState(layers, feed, past, keys, values, position)

    def loop(self, x: Tensor, memory: RecurrentMemory) -> Tensor:
        """Advance through whole targets (B,T,E) by positions: all that is found, (B,T,·)."""
        keys, values = memory.keys.contiguous(), memory.values.contiguous()  # or products copy
        memory = memory._replace(keys=keys, values=values)
        state = self.start(memory)
        found: list[Tensor] = []
        for gates in self.cells[0].gates(x).split(1, dim=1):
            one, state = self.advance(gates, state, memory)
            found.append(one)
        return torch.cat(found, dim=1)

    def climb(self, gates: Tensor, feed: Tensor, layers: Tensor) -> Tensor:
        """Step every layer once: (B,K,G), (B,K,F), (B,K,L,W) -> the new states (B,K,L,W)."""
        below, feed, states = gates.flatten(0, 1), feed.flatten(0, 1), layers.flatten(0, 1)
        climbed: list[Tensor] = []  # (N,W) a layer, N = B·K
        for index, cell in enumerate(self.cells):
            if index > 0:
                below = cell.gates(self.dropout(cell.output(climbed[-1])))
            climbed.append(cell.step(below, feed, states[:, index]))
        return torch.stack(climbed, dim=1).view(layers.shape)

    def top(self, layers: Tensor) -> Tensor:
        """Return the output of the top layer: (B,K,L,W) -> (B,K,D)."""
        return self.cells[-1].output(layers[:, :, -1])

    def contexts(self, s: Tensor, memory: RecurrentMemory) -> Tensor:
        """Attend with all states of whole targets (B,T,D): [c ; c'] (B,T,C+C')."""
        position = torch.arange(s.size(1), device=s.device)
        context = self.attend(s, memory.keys, memory.values, memory.mask[:, None], position)
        if self.self_attend is None:
            return context
        own = self.self_attend.look_within(s, None, position, causal=True)
        return torch.cat([context, own], -1)

    def next_contexts(
        self, s: Tensor, memory: RecurrentMemory, state: RecurrentState
    ) -> tuple[Tensor, RecurrentState]:
        """Attend with the next state of each hypothesis (B,K,D): [c ; c'] (B,K,C+C').

        The State that it returns has its key and value, too.
        """
        source = memory.keys, memory.values, memory.mask[:, None]
        context, past = self.attend.look_on(s, *source, state.position, state.past)
        state = state._replace(past=past)
        if self.self_attend is None:
            return context, state
        own_past = state.keys, state.values
        own, (keys, values) = self.self_attend.look_back(s, own_past, state.position)
        return torch.cat([context, own], -1), state._replace(keys=keys, values=values)


class LuongDecoder(Decoder):
    """Step to s(t), attend with s(t), predict from the attentional vector (Luong et al. 2015).

        c_t = Attention(s_t, memory)        h~_t = tanh(W_c [c_t ; s_t])        (eq. 5)
        c'_t = Attention(s_t, (s_1 … s_t))  h~_t = tanh(W_c [c_t ; c'_t ; s_t])  with self-attention

    With ``input_feed`` the layers read h~ again at the next step (section 3.3) and so know where
    the decoder has looked. Without it the layers do not depend on the attention, so a whole target
    needs one pass through the layers, one attention to the source and one (causal) to itself. An
    attention with a history, such as coverage, needs the loop all the same.
    """

    def __init__(self, input_feed: bool, **parts: Unpack[DecoderParts]) -> None:
        readout_width = parts["readout_width"]
        super().__init__(readout_width if input_feed else 0, **parts)
        self.input_feed = input_feed
        both = width_of_contexts(parts) + parts["width"]
        self.combine = Linear(both, readout_width, bias=False)

    def forward(self, x: Tensor, memory: RecurrentMemory) -> Tensor:
        """Read the embeddings of whole targets, (B,T,E): features (B,T,R)."""
        if self.input_feed or self.attend.has_history:
            return self.loop(x, memory)
        for index, cell in enumerate(self.cells):
            x = cell(x if index == 0 else self.dropout(x), memory.start[:, index])  # (B,T,D)
        return self._attentional(self.contexts(x, memory), x)

    def step(
        self, x: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Read the embedding of each hypothesis's next piece, (B,K,E): features (B,K,R)."""
        return self.advance(self.cells[0].gates(x), state, memory)

    def advance(
        self, gates: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Step, attend, combine: the attentional vector (B,K,R)."""
        layers = self.climb(gates, state.feed, state.layers)
        s = self.top(layers)
        context, state = self.next_contexts(s, memory, state)
        vector = self._attentional(context, s)
        feed = vector if self.input_feed else state.feed
        return vector, state._replace(layers=layers, feed=feed, position=state.position + 1)

    def start(self, memory: RecurrentMemory) -> RecurrentState:
        """Return the state of one hypothesis that has read nothing and looked nowhere."""
        state = super().start(memory)
        nothing = state.layers.new_zeros(*state.layers.shape[:2], self.feed_width)
        return state._replace(feed=nothing)

    def _attentional(self, context: Tensor, s: Tensor) -> Tensor:
        """Compute h~ = tanh(W_c [c ; c' ; s]): (B,T,C+C'), (B,T,D) -> (B,T,R)."""
        return self.dropout(torch.tanh(self.combine(torch.cat([context, s], dim=-1))))


class BahdanauDecoder(Decoder):
    """Attend with s(t-1), step to s(t) on the context, predict from all (Bahdanau et al. 2015).

        c_t = Attention(s_{t-1}, memory)      s_t = f(s_{t-1}, y_{t-1}, c_t)      (section 3.1)
        features = tanh(W [s_t ; y_{t-1} ; c_t])
        c'_t = Attention(s_{t-1}, (s_0 … s_{t-1})) stands beside c_t in both     with self-attention

    The features are the paper's deep output (appendix A.2.2), with tanh instead of maxout, and with
    s_t, as in section 3.1, instead of s_{t-1}.
    """

    def __init__(self, **parts: Unpack[DecoderParts]) -> None:
        context_width = width_of_contexts(parts)
        super().__init__(context_width, **parts)
        all_three = parts["width"] + context_width + parts["input_width"]
        self.combine = Linear(all_three, parts["readout_width"])

    def forward(self, x: Tensor, memory: RecurrentMemory) -> Tensor:
        """Read the embeddings of whole targets, (B,T,E): features (B,T,R)."""
        return self._readout(self.loop(x, memory), x)

    def step(
        self, x: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Read the embedding of each hypothesis's next piece, (B,K,E): features (B,K,R)."""
        found, state = self.advance(self.cells[0].gates(x), state, memory)
        return self._readout(found, x), state

    def advance(
        self, gates: Tensor, state: RecurrentState, memory: RecurrentMemory
    ) -> tuple[Tensor, RecurrentState]:
        """Attend, step: [s_t ; c_t ; c'_t]."""
        context, state = self.next_contexts(self.top(state.layers), memory, state)
        layers = self.climb(gates, context, state.layers)
        found = torch.cat([self.top(layers), context], dim=-1)  # (B,K,D+C+C')
        return found, state._replace(layers=layers, position=state.position + 1)

    def _readout(self, found: Tensor, x: Tensor) -> Tensor:
        return self.dropout(torch.tanh(self.combine(torch.cat([found, x], dim=-1))))


def width_of_contexts(parts: DecoderParts) -> int:
    """Return the width C+C' of both contexts side by side; C' = 0 without self-attention."""
    own = parts["self_attend"]
    return parts["attend"].width + (own.width if own is not None else 0)
