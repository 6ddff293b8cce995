"""What everything that attends can do, so that each can stand in the place of another."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Attend(nn.Module, ABC):
    """Something that turns queries into contexts by looking at a memory of keys and values.

    `remember` is called once a sentence, `forward` once a step (or once for a whole target). What
    `remember` gives is batch-first, belongs to the caller and is handed back at each call: nothing
    of a sentence stays on the module.
    """

    width: int  # of the contexts it gives
    one_slot: bool = False  # whether it wants one summary of the source, not a state a position

    @abstractmethod
    def remember(
        self, keys: Tensor, values: Tensor, position: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(...,S,Dk), (...,S,Dv) -> prepared keys and values: all that needs no query.

        position: int, broadcastable to (...,S): the place of each key in its own sentence;
                  None: 0, 1, … S-1.
        """

    @abstractmethod
    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        causal: bool = False,
    ) -> Tensor:
        """The contexts of the queries: (...,T,width).

        query:        (...,T,Dq)
        keys, values: as `remember` gave them
        mask:         bool, broadcastable to (...,T,S), True = may look; None: at every key. Each
                      query may look at one key at least, and at none behind one that is hidden
                      (right padding).
        position:     int, broadcastable to (...,T): the place of each query in its own sentence.
        causal:       query t may look at the keys 0 to t alone, of those that the mask shows.
        """

    def look_within(
        self, x: Tensor, mask: Tensor | None, position: Tensor, causal: bool = False
    ) -> Tensor:
        """Self-attention, where query = memory: x (...,T,D) at `position` -> (...,T,width)."""
        keys, values = self.remember(x, x, position)
        return self(x, keys, values, mask, position, causal)
