"""A place beside the keys, for a query that finds nothing worth looking at.

Weights sum to 1, so a query has to look somewhere; trained models choose a key that says little,
such as </s> (Xiao et al. 2024, "attention sinks"). A sink takes that weight instead. It has a score
of its own beside those of the keys, with which any normalizer weighs it. It is not a key: windows
and masks do not reach it, and pictures and alignments show the keys alone, whose weights then sum
to less than 1.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nmt.attention.score import Score
from nmt.attention.window import Normalize
from nmt.errors import UserError


class Sink(nn.Module, ABC):
    """The kinds of sinks.

    heads:       of the attention; a parameter (H,1,…) is one for each
    score:       of the attention
    value_width: of the values
    """

    value: nn.Parameter | None  # (H,1,Dv) what it adds to a context, by its weight; None: nothing

    def __init__(self, heads: int, score: Score, value_width: int) -> None:
        super().__init__()
        self.register_parameter("value", None)

    @abstractmethod
    def scores(self, score: Score, query: Tensor) -> Tensor | None:
        """Return its score for each query: (...,T,Dq) -> (...,T,1); None for NoSink."""


class NoSink(Sink):
    """No sink: the weights of a query go to the keys alone."""

    def scores(self, score: Score, query: Tensor) -> None:
        return None


class ZeroSink(Sink):
    """The score 0 and the value 0: with softmax exp(z_i) / (1 + Σ_j exp(z_j)).

    Miller 2023, "Attention is off by one".
    """

    def scores(self, score: Score, query: Tensor) -> Tensor:
        return query.new_zeros(*query.shape[:-1], 1)


class LogitSink(Sink):
    """A learned score for each head, and the value 0.

    OpenAI 2025 (gpt-oss model card, section 2.2). The score starts at 0, as that of
    ``sink=zero``.
    """

    def __init__(self, heads: int, score: Score, value_width: int) -> None:
        super().__init__(heads, score, value_width)
        self.logit = nn.Parameter(torch.zeros(heads, 1, 1))

    def scores(self, score: Score, query: Tensor) -> Tensor:
        return self.logit.expand(*query.shape[:-1], 1)


class KeySink(Sink):
    """A learned key and a learned value: how much weight they get depends on the query.

    Chen et al. 2021 (Mask-Align, section 3.3, "leaky attention"). The value starts at 0.
    UserError for a score that reads no keys.
    """

    def __init__(self, heads: int, score: Score, value_width: int) -> None:
        super().__init__(heads, score, value_width)
        if not score.reads_keys:
            raise UserError(
                f"sink=key is a key, but {type(score).__name__} reads no keys: choose "
                "sink=logit or another attention="
            )
        self.key = nn.Parameter(torch.randn(heads, 1, score.key_width) * score.key_width**-0.5)
        self.value = nn.Parameter(torch.zeros(heads, 1, value_width))

    def scores(self, score: Score, query: Tensor) -> Tensor:
        key = score.prepare(self.key)  # (H,1,any)
        return score(query, key.expand(*query.shape[:-2], -1, -1))


class Beside:
    """A normalizer of keys and sink together, which returns the weights of the keys.

    normalize: of all scores
    sink:      its scores (...,T,1)
    """

    def __init__(self, normalize: Normalize, sink: Tensor) -> None:
        self.normalize = normalize
        self.sink = sink
        self.weight: Tensor | None = None  # (...,T,1) of the sink, once it has been called

    def __call__(self, scores: Tensor) -> Tensor:
        """Return the weights of the keys: scores (...,T,S) -> (...,T,S)."""
        sink = self.sink.to(scores.dtype).expand(*scores.shape[:-1], 1)
        weights = self.normalize(torch.cat([scores, sink], -1))
        self.weight = weights[..., -1:]
        return weights[..., :-1]
