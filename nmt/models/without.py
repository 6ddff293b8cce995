"""A trained model with some of its heads switched off, to see what each is good for.

Voita et al. 2019 (Analyzing multi-head self-attention); Michel et al. 2019 (Are sixteen heads
really better than one?).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from nmt.attention.heads import MultiHead
from nmt.errors import UserError
from nmt.models.seq2seq import Kind, Seq2Seq

WORDS = {
    Kind.ENCODER: ("encoder", "self"),
    Kind.DECODER: ("decoder", "self"),
    Kind.SOURCE_TARGET: ("decoder", "cross"),
}
KINDS = {words: kind for kind, words in WORDS.items()}
NAME = re.compile(r"(encoder|decoder)\.(\d+)\.(self|cross)\.(\d+)")


class Head(NamedTuple):
    """A head of a model; layers and heads count from 1."""

    kind: Kind
    layer: int
    head: int

    @property
    def name(self) -> str:
        """Return its name in settings: decoder.3.cross.2."""
        side, what = WORDS[self.kind]
        return f"{side}.{self.layer}.{what}.{self.head}"


def multi_heads(model: Seq2Seq) -> dict[tuple[Kind, int], MultiHead]:
    """Return every attention of several heads, by its kind and its layer from 1."""
    return {
        (kind, layer): part
        for kind, attends in model.attentions().items()
        for layer, attend in enumerate(attends, start=1)
        for part in attend.modules()
        if isinstance(part, MultiHead) and part.heads > 1
    }


def heads_of(model: Seq2Seq) -> list[Head]:
    """Return all heads that have others beside them, kind by kind and layer by layer."""
    return [
        Head(kind, layer, head)
        for (kind, layer), part in multi_heads(model).items()
        for head in range(1, part.heads + 1)
    ]


def named_heads(model: Seq2Seq, names: Sequence[str]) -> list[Head]:
    """Return the heads with these names. UserError for one that the model does not have."""
    known = heads_of(model)
    if names and not known:
        raise UserError(
            f"without={names[0]}: this model has only single-head attention. Choose a run with "
            "model.heads=2 or more"
        )
    found: list[Head] = []
    for name in names:
        match = NAME.fullmatch(name)
        kind = KINDS.get((match[1], match[3])) if match else None
        head = Head(kind, int(match[2]), int(match[4])) if match and kind else None
        if head is None or head not in known:
            raise UserError(
                f"without={name}: there is no such head. The first one here is {known[0].name}, "
                f"the last one {known[-1].name}; the names are encoder.LAYER.self.HEAD, "
                "decoder.LAYER.self.HEAD and decoder.LAYER.cross.HEAD"
            )
        found.append(head)
    return found


@contextmanager
def without(model: Seq2Seq, heads: Sequence[Head]) -> Iterator[None]:
    """Have these heads find nothing inside the block: their output is 0 before W_O mixes them."""
    parts = multi_heads(model)
    hooks = [
        part.W_O.register_forward_pre_hook(partial(silence, part.heads, one.head - 1))
        for one in heads
        for part in [parts[one.kind, one.layer]]
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def silence(heads: int, head: int, _: nn.Module, given: tuple[Tensor]) -> Tensor:
    """Put 0 for what one of the heads found: (...,H·K)."""
    (found,) = given
    by_head = found.unflatten(-1, (heads, -1)).clone()  # (...,H,K)
    by_head[..., head, :] = 0
    return by_head.flatten(-2)
