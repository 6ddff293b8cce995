"""The interface of everything that attends, so that one can replace another."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Remembered = tuple[Tensor, Tensor]  # keys and values, as an attention prepared them


class Attend(nn.Module, ABC):
    """Something that turns queries into contexts by looking at a memory of keys and values.

    `remember` is called once per sentence, `forward` once per step (or once for a whole target).
    `remember` returns batch-first tensors. The caller keeps them and passes them to each call, so
    the module keeps nothing of a sentence.
    """

    width: int  # of the contexts it returns
    has_history: bool = False  # whether it knows what it found before, see `look_on`
    one_slot: bool = False  # whether its memory is one summary of the source

    @abstractmethod
    def remember(self, keys: Tensor, values: Tensor, position: Tensor | None = None) -> Remembered:
        """(...,S,Dk), (...,S,Dv) -> prepared keys and values, which do not depend on queries.

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
        keys, values: as `remember` returned them
        mask:         bool, broadcastable to (...,T,S), True = may look; None: at every key. Each
                      query may look at one key at least, and at none behind one that is hidden
                      (right padding).
        position:     int, broadcastable to (...,T): the place of each query in its own sentence.
        causal:       query t may look only at keys 0 to t, of those that the mask shows.
        """

    def no_history(self, mask: Tensor) -> Tensor:
        """Return the history of one hypothesis that has looked nowhere: mask (B,S) -> (B,1,[H,]X).

        (B,1,0) for what has none.
        """
        return torch.zeros(mask.size(0), 1, 0, device=mask.device)

    def look_on(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        position: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Look with the next query of each hypothesis: (B,K,Dq) -> contexts (B,K,width).

        Also returns the history after it. `past` (B,K,[H,]X) is the history of the positions
        before.
        """
        return self(query, keys, values, mask, position), past

    def look_within(
        self, x: Tensor, mask: Tensor | None, position: Tensor, causal: bool = False
    ) -> Tensor:
        """Self-attention, where query = memory: x (...,T,D) at `position` -> (...,T,width)."""
        keys, values = self.remember(x, x, position)
        return self(x, keys, values, mask, position, causal)

    def look_back(
        self, x: Tensor, past: Remembered, position: Tensor, seen: Tensor | None = None
    ) -> tuple[Tensor, Remembered]:
        """Causal self-attention of the next position of each hypothesis: x (B,K,D) -> (B,K,width).

        Also returns `past` with this position's key and value behind it.

        past:     keys and values (B,K,[H,]t,·) of the positions before
        position: (B,K) of x
        seen:     (B,K,t) the places of `past` that are read then, this position's among them, where
                  there is room for it; None: those that have been read, and no room
        """
        query, place = x.flatten(0, 1).unsqueeze(1), position.flatten().unsqueeze(1)  # (N,1,D)
        keys, values = (
            behind(before, new.unflatten(0, x.shape[:2]), position, seen)
            for before, new in zip(past, self.remember(query, query, place), strict=True)
        )
        whole = None if seen is None else seen.flatten(0, 1).unsqueeze(1)  # (N,1,t)
        context = self(query, keys.flatten(0, 1), values.flatten(0, 1), whole, place)  # (N,1,width)
        return context.view(*x.shape[:2], -1), (keys, values)


def behind(past: Tensor, new: Tensor, position: Tensor, seen: Tensor | None) -> Tensor:
    """Put (B,K,[H,]1,·) behind (B,K,[H,]t,·): into the place of its position if there is room."""
    if seen is None:
        return torch.cat([past, new], -2)
    place = position.view(*position.shape, *[1] * (new.dim() - 2)).expand_as(new)
    return past.scatter_(-2, place, new)
