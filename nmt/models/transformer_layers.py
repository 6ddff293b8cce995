"""The two kinds of layers of a Transformer (Vaswani et al. 2017, section 3.1)."""

from collections.abc import Callable

from torch import Tensor, nn

from nmt.attention.attend import Attend, Remembered
from nmt.models.feed_forward import FeedForward
from nmt.models.residual import Residual

MakeAttend = Callable[[], Attend]
MakeFeedForward = Callable[[], FeedForward]
MakeResidual = Callable[[], Residual]


class EncoderLayer(nn.Module):
    """Self-attention and a network for each position."""

    def __init__(
        self, attend: MakeAttend, feed_forward: MakeFeedForward, residual: MakeResidual
    ) -> None:
        super().__init__()
        self.self_attention = attend()
        self.feed_forward = feed_forward()
        self.around_attention = residual()
        self.around_feed_forward = residual()

    def forward(self, x: Tensor, mask: Tensor, position: Tensor) -> Tensor:
        """(B,S,D), mask (B,S), position (S,) -> (B,S,D)."""

        def look(x: Tensor) -> Tensor:
            return self.self_attention.look_within(x, mask[:, None], position)

        x = self.around_attention(x, look)
        return self.around_feed_forward(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Masked self-attention, source-target attention, and a network for each position."""

    def __init__(
        self,
        self_attend: MakeAttend,
        cross_attend: MakeAttend,
        feed_forward: MakeFeedForward,
        residual: MakeResidual,
        causal: bool,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.self_attention = self_attend()
        self.cross_attention = cross_attend()
        self.feed_forward = feed_forward()
        self.around_self = residual()
        self.around_cross = residual()
        self.around_feed_forward = residual()

    def forward(self, x: Tensor, states: Tensor, mask: Tensor, position: Tensor) -> Tensor:
        """Whole targets (B,T,D) over the source's states (B,S,D) with mask (B,S): (B,T,D)."""
        memory = self.remember(states)

        def look_back(x: Tensor) -> Tensor:
            return self.self_attention.look_within(x, None, position, causal=self.causal)

        x = self.around_self(x, look_back)
        return self.look_across(x, memory, mask, position)

    def step(
        self,
        x: Tensor,
        past: Remembered,
        memory: Remembered,
        mask: Tensor,
        position: Tensor,
        seen: Tensor | None = None,
    ) -> tuple[Tensor, Remembered]:
        """One more position of each hypothesis, (B,K,D) at positions (B,K): (B,K,D).

        past, seen: as :meth:`Attend.look_back` takes them.
        """
        read: list[Remembered] = []

        def look_back(x: Tensor) -> Tensor:
            context, then = self.self_attention.look_back(x, past, position, seen)
            read.append(then)
            return context

        x = self.around_self(x, look_back)
        return self.look_across(x, memory, mask, position), read[0]

    def remember(self, states: Tensor) -> Remembered:
        """Prepare the source (B,S,D) for source-target attention."""
        return self.cross_attention.remember(states, states)

    def look_across(self, x: Tensor, memory: Remembered, mask: Tensor, position: Tensor) -> Tensor:
        def look(x: Tensor) -> Tensor:
            return self.cross_attention(x, *memory, mask[:, None], position)

        x = self.around_cross(x, look)
        return self.around_feed_forward(x, self.feed_forward)
