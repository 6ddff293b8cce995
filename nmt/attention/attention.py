"""Attention itself: the one place where scores are masked, normalized and used to weigh values."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.attention.attend import Attend
from nmt.attention.bias import Bias, KeyBias
from nmt.attention.dropout import dropout
from nmt.attention.history import Historic
from nmt.attention.mask import causal_mask, hide
from nmt.attention.mix import Mix, NoMix
from nmt.attention.normalize import Normalizer, Softmax
from nmt.attention.place import told
from nmt.attention.score import InnerProduct, Score
from nmt.attention.sink import Beside, NoSink, Sink
from nmt.attention.window import Full, Normalize, Window
from nmt.hardware.products import fuses, product_dtype

NO_SINK = partial(NoSink, 1)  # of one head, or of many: it has no parameters
NO_MIX = partial(NoMix, 1)


Keep = Callable[[Tensor, Tensor], Tensor]  # weights (...,T,S), values (...,S,Dv) -> (...,T,S)


class Record(NamedTuple):
    """Where an attention keeps the weights of its forwards; see `record_attention`."""

    weights: list[Tensor]
    detached: bool
    normalize: Normalize | None  # instead of the attention's own
    keep: Keep | None  # what is kept instead of the weights
    with_sink: bool  # whether the weight of the sink, if there is one, stands before those of keys


class Attention(Attend):
    """normalize(score(query, keys)) · values.

    score:     makes the score for these widths of query and key
    normalize: makes the normalizer, which is told the widths of query and value if it asks for them
    window:    makes the window for this width of query
    sink:      makes a place beside the keys, for this score and this width of values
    mix:       makes what mixes maps to heads, for this width of values. Queries and keys have an
               axis of maps, (...,M,T,·), where values and contexts have one of heads.
    dropout:   share of the weights that is dropped in training
    bias:      makes what is added to the scores for places, for this score; None: nothing
    shared:    R, how many heads share each key and value: keys and values are (...,H/R,S,·)
    soft_cap:  c, no score is beyond ±c before biases are added: c·tanh(z/c) (Gemma Team 2024,
               Gemma 2, section 2); None: z
    """

    def __init__(
        self,
        query_width: int,
        key_width: int,
        value_width: int,
        score: Callable[[int, int], Score],
        normalize: Callable[[], Normalizer],
        window: Callable[[int], Window],
        sink: Callable[[Score, int], Sink] = NO_SINK,
        mix: Callable[[int], Mix] = NO_MIX,
        dropout: float = 0.0,
        bias: Callable[[Score], Bias | None] | None = None,
        shared: int = 1,
        soft_cap: float | None = None,
    ) -> None:
        super().__init__()
        self.width = value_width
        self.score = score(query_width, key_width)
        self.normalize = told(normalize, query_width=query_width, value_width=value_width)()
        self.window = window(query_width)
        self.sink = sink(self.score, value_width)
        self.mix = mix(value_width)
        self.bias = bias(self.score) if bias else None
        self.shared = shared
        self.soft_cap = soft_cap
        self.has_history = any(isinstance(part, Historic) for part in (self.score, self.normalize))
        self.reads_query = any(
            part.reads_query for part in (self.score, self.window, self.normalize)
        )
        self.dropout = dropout
        self.records: tuple[Record, ...] = ()

    @property
    def sums_to_one(self) -> bool:
        """Whether the weights of a query sum to 1, of keys and sink together."""
        return self.normalize.sums_to_one and self.mix.sums_to_one

    @property
    def negative(self) -> bool:
        """Whether a weight may be negative."""
        return self.normalize.negative or self.mix.negative

    @property
    def bounded(self) -> bool:
        """Whether no weight is above 1."""
        return self.normalize.bounded and self.mix.bounded

    def remember(
        self, keys: Tensor, values: Tensor, position: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.score.prepare(keys), values

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        causal: bool = False,
    ) -> Tensor:
        keys, bias = self._biased(query, keys, position)
        if not self.records and self._is_fused(query, keys):
            return self._fused(query, keys, values, mask, bias, causal)
        scores = self._scores(self._folded(self.score, query, keys), mask, bias, causal)
        return self._weighed(scores, query, values, position)[0]

    def no_history(self, mask: Tensor) -> Tensor:
        if not self.has_history:
            return super().no_history(mask)
        return torch.cat(self._before(mask.size(1), mask.device)).expand(mask.size(0), 1, -1)

    def look_on(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        if not self.has_history:
            return self(query, keys, values, mask, position), past
        keys, bias = self._biased(query, keys, position)
        widths = [len(one) for one in self._before(keys.shape[-2], torch.device("meta"))]
        of_score, of_weights = past.split(widths, -1)
        scores = self._folded(self.score, query, keys, *[of_score] * (widths[0] > 0))
        scores = self._scores(scores, mask, bias, causal=False)
        normalize = partial(self.normalize, past=of_weights) if widths[1] else self.normalize
        context, weights = self._weighed(scores, query, values, position, normalize)
        after = [
            part.after(own, weights, context) if isinstance(part, Historic) else own
            for part, own in ((self.score, of_score), (self.normalize, of_weights))
        ]
        return context, torch.cat(after, -1)

    def _before(self, num_keys: int, device: torch.device) -> list[Tensor]:
        """The histories before the first position, of the score and of the normalizer: (X,) each.

        (0,) for what has none.
        """
        return [
            part.before(num_keys, self.width, device)
            if isinstance(part, Historic)
            else torch.zeros(0, device=device)
            for part in (self.score, self.normalize)
        ]

    def _weighed(
        self,
        scores: Tensor,
        query: Tensor,
        values: Tensor,
        position: Tensor,
        normalize: Callable[..., Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The contexts (...,T,Dv) of masked scores (...,T,S), and each map's weights (...,T,S).

        normalize: with its history, where there is one
        """
        normalize = partial(normalize or self.normalize, query=query)
        sink = self.sink.scores(self.score, query)  # (...,T,1)
        if sink is not None:
            sink = self.mix.before(self._capped(sink.to(scores.dtype)))  # as the score of a key
        beside = None if sink is None else Beside(normalize, sink)
        of_maps = self.window(beside or normalize, scores, query, position)  # (...,T,S)
        weights = self.mix.after(of_maps)
        for record in self.records:
            other = record.normalize
            kept = weights if other is None else self.window(other, scores, query, position)
            kept = record.keep(kept, values) if record.keep else kept
            if record.with_sink and beside:
                assert beside.weight is not None
                kept = torch.cat([self.mix.after(beside.weight), kept], -1)  # (...,T,1+S)
            record.weights.append(kept.detach() if record.detached else kept)
        dropped = dropout(weights, self.dropout, self.training)
        context = self._folded(torch.matmul, dropped.to(values.dtype), values)  # (...,T,Dv)
        if beside and self.sink.value is not None:
            assert beside.weight is not None
            weight, value = beside.weight.to(values.dtype), self.sink.value
            if self.mix.maps == 1:  # as the value of a key: by its mixed weight
                context = context + self.mix.after(weight) * value
            else:  # each map has a value of its own
                context = context + self.mix.after(weight * value)
        return context, of_maps

    def _scores(
        self,
        scores: Tensor,
        mask: Tensor | None,
        bias: Tensor | None,
        causal: bool,
    ) -> Tensor:
        """The scores to normalize (...,T,S), with biases, and -inf for hidden keys."""
        # bfloat16 is enough for a product, not for the sums of a normalizer
        scores = self._capped(scores.to(torch.promote_types(scores.dtype, torch.float32)))
        if bias is not None:
            scores = scores + bias
        return hide(self.mix.before(scores), mask, causal)

    def _biased(
        self, query: Tensor, keys: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The keys without their bias, and the bias of their scores: (...,T,S) or None."""
        if self.bias is None:
            return keys, None
        far = distance(keys, position)
        if not isinstance(self.bias, KeyBias):
            return keys, self.bias(query, far)
        keys, kept = keys.split([keys.size(-1) - self.shared, self.shared], -1)
        keys = keys.to(query.dtype)  # float32, as what is kept beside them
        return keys, self.bias(query, far, kept.mT.flatten(-3, -2))

    def _folded(
        self, function: Callable[..., Tensor], rows: Tensor, memory: Tensor, *more: Tensor
    ) -> Tensor:
        """Apply a function to rows (...,H,T,·) and a memory (...,H/R,S,·): (...,H,T,·).

        Heads that share a memory become more rows over it, so nothing is copied.
        """
        if self.shared == 1:
            return function(rows, memory, *more)
        num_rows, groups = rows.shape[-2], memory.shape[-3]
        first, *rest = (
            x.unflatten(-3, (groups, self.shared)).flatten(-3, -2) for x in (rows, *more)
        )
        found = function(first, memory, *rest)  # (...,H/R,R·T,·)
        return found.unflatten(-2, (self.shared, num_rows)).flatten(-4, -3)

    def _capped(self, scores: Tensor) -> Tensor:
        if self.soft_cap is None:
            return scores
        capped = self.soft_cap * (scores / self.soft_cap).tanh()
        return capped.masked_fill(scores == float("-inf"), float("-inf"))  # out of reach

    def _is_fused(self, query: Tensor, keys: Tensor) -> bool:
        """Whether one kernel can do it all, and does it faster."""
        return (
            self._is_known()
            and self.soft_cap is None
            and (self.mix.maps == 1 or not (self.training and self.dropout))  # of the mixed weights
            and (query.is_cuda or not self._bias_learns())
            and (query.is_cuda or fuses(keys.shape[-2], product_dtype(query)))
        )

    def _is_known(self) -> bool:
        """Whether the kernel computes what the parts do: a subclass may do something else."""
        return (
            isinstance(self.score, InnerProduct)
            and type(self.score).forward is InnerProduct.forward
            and type(self.normalize) is Softmax
            and type(self.window) is Full
            and type(self.sink) is NoSink
            and vars(type(self.mix)).get("fuses", False)  # its own claim
        )

    def _bias_learns(self) -> bool:
        return self.bias is not None and self.bias.learns and torch.is_grad_enabled()

    def _fused(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        bias: Tensor | None,
        causal: bool,
    ) -> Tensor:
        """softmax(f(q)·g(k)) · values without ever holding the weights: (...,T,Dv).

        The causal mask needs no tensor either. A bias is passed as the kernel's mask, in numbers.
        """
        assert isinstance(self.score, InnerProduct)
        if bias is not None:
            mask, causal = hide(bias, mask, causal).to(query.dtype), False
        query = self.score.place(query)
        if mask is not None and causal:
            mask, causal = mask & causal_mask(query.shape[-2], query.device), False
        one_head = query.dim() == 3
        if one_head:  # the fast kernels want an axis of heads
            query, keys, values = (x.unsqueeze(-3) for x in (query, keys, values))
            mask = None if mask is None else mask.unsqueeze(-3)
        values = torch.cat([values] * self.mix.maps, -3) if self.mix.maps > 1 else values
        dropout = self.dropout if self.training else 0.0
        context = F.scaled_dot_product_attention(
            *(query, keys, values, mask, dropout),
            is_causal=causal,
            scale=1.0,
            enable_gqa=self.shared > 1,
        )
        return context.squeeze(-3) if one_head else self.mix.after(context)


def distance(keys: Tensor, position: Tensor) -> Tensor:
    """Return the place of each key (...,S,·) less that of each query (...,T): (...,T,S)."""
    return torch.arange(keys.shape[-2], device=keys.device) - position[..., None]


@contextmanager
def record_attention(
    model: nn.Module,
    detached: bool = True,
    normalize: Normalize | None = None,
    keep: Mapping[Attention, Keep] | None = None,
    with_sink: bool = False,
) -> Iterator[dict[str, list[Tensor]]]:
    """Record the weights of every Attention in the model during forward passes in the block.

    Yields a dict from module path to the weights (...,T,S) of each of its forwards in their order,
    before dropout; detached, or with what their gradient needs. A target that is decoded step by
    step has one entry per step, and hops have one entry per hop.

    normalize: the weights on record are what this makes of the scores; the contexts stay what
               they are. None: the weights that each attention uses.
    keep:      makes of an attention's weights and prepared values what is on record in their
               place. None: the weights.
    with_sink: an attention with a sink has (...,T,1+S) on record, the weight of its sink first.
    """
    attentions = {name: m for name, m in model.named_modules() if isinstance(m, Attention)}
    weights: dict[str, list[Tensor]] = {name: [] for name in attentions}
    before = {name: m.records for name, m in attentions.items()}
    try:
        for name, m in attentions.items():
            record = Record(weights[name], detached, normalize, (keep or {}).get(m), with_sink)
            m.records = (*m.records, record)
        yield weights
    finally:
        for name, m in attentions.items():
            m.records = before[name]
