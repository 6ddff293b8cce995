"""What tells a Transformer the order of words: attention itself sees its memory as a set.

Each kind does one of three things, or nothing: it adds a vector to the embedding of each piece, it
rotates the queries and keys of self-attention, or it adds a bias to the scores of self-attention.
In source-target attention distances have no meaning, so nothing is rotated or added there.
"""

import math
from abc import ABC
from functools import partial

import torch
from torch import Tensor, nn

from nmt.attention.forgetting import ForgetBias
from nmt.attention.position_bias import BucketBias, LinearBias, MakeBias, ShawBias
from nmt.attention.sizes import check_widths
from nmt.errors import UserError, at_least


class Positions(nn.Module, ABC):
    """The kinds of positions, see `add`, `turn` and `bias`.

    width:      of the embeddings
    head_width: of the queries and keys of a head
    """

    turns: bool = False  # whether `turn` does anything

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.width = width
        self.head_width = head_width

    def add(self, x: Tensor, position: Tensor) -> Tensor:
        """Embeddings (...,D) at positions (...), counted from 0 -> embeddings (...,D)."""
        return x

    def turn(self, x: Tensor, position: Tensor) -> Tensor:
        """Queries or keys (...,K) at positions, broadcastable to (...) -> (...,K)."""
        return x

    def bias(self, causal: bool) -> MakeBias | None:
        """Return what makes the bias of each self-attention, ``causal`` or not; None: no bias."""
        return None


class NoPositions(Positions):
    """No positions: the encoder reads a bag of words, the decoder has only its causal mask."""


class Sinusoidal(Positions):
    """PE(p, 2i) = sin(p / 10000^(2i/d)), PE(p, 2i+1) = cos(p / 10000^(2i/d)).

    Vaswani et al. 2017, section 3.5: added to the embedding of the piece at position p.
    """

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__(width, head_width)
        self.register_buffer("rates", rates(width), persistent=False)
        self.rates: Tensor

    def add(self, x: Tensor, position: Tensor) -> Tensor:
        angle = position[..., None] * self.rates  # (...,⌈D/2⌉)
        waves = torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)  # (...,D)
        return x + waves[..., : self.width].to(x.dtype)


class Learned(Positions):
    """A learned vector for each of `max_positions` positions, added to the embedding.

    Gehring et al. 2017, section 3.1. Positions beyond share the last vector.
    """

    def __init__(self, width: int, head_width: int, max_positions: int = 1024) -> None:
        super().__init__(width, head_width)
        check_widths({"positions.max_positions": max_positions})
        self.table = nn.Embedding(max_positions, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)

    def add(self, x: Tensor, position: Tensor) -> Tensor:
        return x + self.table(position.clamp_max(self.table.num_embeddings - 1))


class Rope(Positions):
    """Rotary positions: each pair of numbers is rotated by an angle that grows with the position.

    Su et al. 2021 (RoFormer), eq. 34; here number i is paired with number i + K/2. The inner
    product of a rotated query and a rotated key depends on their contents and on their distance.
    UserError where the width of a head is odd.
    """

    turns = True

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__(width, head_width)
        if head_width % 2:
            raise UserError(
                f"positions=rope rotates pairs of numbers, but a head has width {head_width}: "
                "choose model.heads= or model.head_width= so that this width is even"
            )
        self.register_buffer("rates", rates(head_width), persistent=False)
        self.rates: Tensor

    def turn(self, x: Tensor, position: Tensor) -> Tensor:
        angle = position[..., None] * self.rates  # (...,K/2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Alibi(Positions):
    """A bias of -m_h · |j - i|: scores fall with the distance, in each head with its own slope.

    Press et al. 2022, section 3. m_h falls from 2^(-8/H) to 2^-8 over the heads and is not
    learned. In the encoder the bias is the same on both sides. See :class:`LinearBias`.
    """

    def bias(self, causal: bool) -> MakeBias:
        return LinearBias


class T5(Positions):
    """A learned bias for each head and each bucket of distances.

    Raffel et al. 2020, section 2.1. Small distances have a bucket each, larger ones share
    buckets; see :class:`BucketBias`. UserError for sizes that leave no bucket for a distance.
    """

    def __init__(
        self, width: int, head_width: int, num_buckets: int = 32, max_distance: int = 128
    ) -> None:
        super().__init__(width, head_width)
        at_least(4, {"positions.num_buckets": num_buckets})
        check_widths({"positions.num_buckets": num_buckets, "positions.max_distance": max_distance})
        if max_distance <= num_buckets // 2:
            raise UserError(
                f"positions.max_distance={max_distance}: must be above half of "
                f"positions.num_buckets={num_buckets}, because that many buckets have one "
                "distance each"
            )
        self.num_buckets = num_buckets
        self.max_distance = max_distance

    def bias(self, causal: bool) -> MakeBias:
        sizes = {"num_buckets": self.num_buckets, "max_distance": self.max_distance}
        return partial(BucketBias, **sizes, both_ways=not causal)


class Shaw(Positions):
    """A learned vector for each distance up to ``max_distance``, added to the keys.

    Shaw et al. 2018, eq. 4 and 5. All heads share these vectors. See :class:`ShawBias`.
    """

    def __init__(self, width: int, head_width: int, max_distance: int = 16) -> None:
        super().__init__(width, head_width)
        check_widths({"positions.max_distance": max_distance})
        self.max_distance = max_distance

    def bias(self, causal: bool) -> MakeBias:
        return partial(ShawBias, max_distance=self.max_distance)


class Forgetting(Positions):
    """A bias of the sum of ln f over the pieces between, f a forget gate that reads each piece.

    Lin et al. 2025 (Forgetting Transformer, arXiv 2503.02130): f = σ(w_h·x + b_h) in head h, x a
    piece as the attention is given it. A closed gate makes the attention forget what was read
    before it; other positions are not needed. The paper has it in a decoder; in the encoder the
    bias is the same on both sides. See :class:`ForgetBias`.
    """

    def bias(self, causal: bool) -> MakeBias:
        return partial(ForgetBias, width=self.width)


def rates(width: int) -> Tensor:
    """Radians per position: 10000^(-2i/d) for i = 0 … ⌈d/2⌉-1."""
    return torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
