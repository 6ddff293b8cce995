"""The interface of every translation model."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.attention import record_attention
from nmt.attention.place import Place
from nmt.models.copying import Copy, mixed


class Kind(StrEnum):
    """What an attention looks at, and from where."""

    SOURCE_TARGET = "source-target"  # from the target at the source
    ENCODER = "encoder self"  # from the source at the source
    DECODER = "decoder self"  # from the target at what was read of the target

    @property
    def place(self) -> Place:
        """Its name in settings."""
        return PLACES[self]


PLACES = {
    Kind.SOURCE_TARGET: Place.CROSS,
    Kind.ENCODER: Place.ENCODER,
    Kind.DECODER: Place.DECODER,
}


class Seq2Seq(nn.Module, ABC):
    """A model that reads a source sentence and gives scores for each next target piece.

    ``Memory`` and ``State`` are flat NamedTuples of batch-first tensors. The memory is constant
    while a sentence is decoded and has no beam axis; its ``source`` are the ids (B,S). The tensors
    of the state are (B,K,...), K being the hypotheses of a sentence. :meth:`step` and
    :meth:`forward` compute the same numbers.

    Args:
        source_vocabulary, target_vocabulary: numbers of pieces.
    """

    output: nn.Linear
    reads_padding: bool = False  # whether padding changes its output, which it should not

    def __init__(self, *, source_vocabulary: int, target_vocabulary: int) -> None:
        super().__init__()
        self.frozen: tuple[str, ...] = ()  # parts whose weights training does not change
        self.copy: Copy | None = None  # what copies source pieces; None: nothing is copied

    @abstractmethod
    def encode(self, source: Tensor) -> Any:
        """Read source ids (B,S), padded with 0, into a Memory."""

    @abstractmethod
    def start(self, memory: Any, room: int = 0) -> Any:
        """Return the State (B,1,...) before the first target piece.

        ``room`` is the largest number of pieces that will be read; a state that can have room for
        them from the start does not grow.
        """

    @abstractmethod
    def step_features(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """Read one more piece of each hypothesis, (B,K): features (B,K,R) and the next State."""

    @abstractmethod
    def features(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: what the output layer reads, (B,S), (B,T) -> (B,T,R)."""

    @abstractmethod
    def units(self) -> list[nn.Module]:
        """Return the parts that :meth:`features` calls once each and that alone read their weights.

        Where processes divide the weights, those of a unit are put together for its forward pass
        and again for its backward pass; all others stay together in between.
        """

    @abstractmethod
    def attentions(self) -> dict[Kind, list[Attend]]:
        """Return all attentions, of each kind the lowest layer first."""

    def step(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """Read one more piece of each hypothesis, (B,K): logits (B,K,V) and the next State."""
        if self.copy is None:
            features, state = self.step_features(tokens, state, memory)
            return self.output(features), state
        with record_attention(self.copied_from(), detached=False) as recorded:
            features, state = self.step_features(tokens, state, memory)
        copied = self.copy(features, *recorded.values(), memory.source)
        return mixed(self.output(features), copied, memory.source), state

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: source (B,S), target bos … (B,T) -> logits of the next piece (B,T,V).

        Where pieces are copied, the logits are log-probabilities.
        """
        features, copied = self.features_and_copies(source, target)
        logits = self.output(features)
        return logits if copied is None else mixed(logits, copied, source)

    def features_and_copies(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return :meth:`features`, and what :class:`Copy` copies there (B,T,S), if anything."""
        if self.copy is None:
            return self.features(source, target), None
        with record_attention(self.copied_from(), detached=False) as recorded:
            features = self.features(source, target)
        return features, self.copy(features, *recorded.values(), source)

    def copied_from(self) -> Attend:
        """Return the attention whose weights say what is copied: that of the last layer."""
        return self.attentions()[Kind.SOURCE_TARGET][-1]
