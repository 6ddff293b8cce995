"""Several models that translate together: at each step, by the mean of their probabilities."""

from collections.abc import Callable, Sequence
from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.models.seq2seq import Kind, Seq2Seq


class EnsembleMemory(NamedTuple):
    """The models' memories of the sources."""

    source: Tensor  # (B,S)
    models: tuple[Any, ...]  # the memory of each


class EnsembleState(NamedTuple):
    """The models' states of the hypotheses."""

    models: tuple[Any, ...]  # the state of each


def arithmetic(log_ps: Tensor) -> Tensor:
    """Return log of the mean of the probabilities, log P (M,...) -> (...)."""
    return log_ps.logsumexp(0) - log(len(log_ps))


def geometric(log_ps: Tensor) -> Tensor:
    """Return the mean of log P (M,...,V) -> (...,V), normalized again."""
    return log_ps.mean(0).log_softmax(-1)


MEANS: dict[str, Callable[[Tensor], Tensor]] = {"arithmetic": arithmetic, "geometric": geometric}


class Ensemble(Seq2Seq):
    """Models of one source and one target vocabulary, of any architectures, as one model.

    Its features are log P, so that it needs no output layer.

    Args:
        models: at least one.
        mean: how their log P (M,B,T,V) are combined: :func:`arithmetic` or :func:`geometric`.
    """

    def __init__(self, models: Sequence[Seq2Seq], mean: Callable[[Tensor], Tensor]) -> None:
        super().__init__(source_vocabulary=0, target_vocabulary=0)
        self.models: Any = nn.ModuleList(models)  # of Seq2Seq
        self.mean = mean
        self.output = nn.Identity()  # type: ignore[assignment]
        self.reads_padding = any(model.reads_padding for model in models)

    @property
    def members(self) -> list[Seq2Seq]:
        """The models."""
        return list(self.models)  # type: ignore[arg-type]

    def encode(self, source: Tensor) -> EnsembleMemory:
        """Have each model read the source (B,S)."""
        return EnsembleMemory(source, tuple(model.encode(source) for model in self.members))

    def start(self, memory: EnsembleMemory, room: int = 0) -> EnsembleState:
        """Return the state before the first piece."""
        both = zip(self.members, memory.models, strict=True)
        return EnsembleState(tuple(model.start(one, room) for model, one in both))

    def step_features(
        self, tokens: Tensor, state: EnsembleState, memory: EnsembleMemory
    ) -> tuple[Tensor, EnsembleState]:
        """Have each model read one more piece of each hypothesis, (B,K): log P (B,K,V)."""
        parts = zip(self.members, state.models, memory.models, strict=True)
        logits, states = zip(*(model.step(tokens, *one) for model, *one in parts), strict=True)
        return self.mean(normalized(logits)), EnsembleState(states)

    def features(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: log P of the next piece, (B,S), (B,T) -> (B,T,V)."""
        return self.mean(normalized([model(source, target) for model in self.members]))

    def units(self) -> list[nn.Module]:
        """Return none: an ensemble is not trained."""
        return []

    def attentions(self) -> dict[Kind, list[Attend]]:
        """Return none: each model has its own."""
        return {}


def normalized(logits: Sequence[Tensor]) -> Tensor:
    """Return log P (M,...,V) in float32 of the logits (...,V) of M models."""
    return torch.stack([one.log_softmax(-1, dtype=torch.float32) for one in logits])
