"""Rules for translations: a prefix, a minimum length, no repeated sequence.

A steered step returns log P of the model, and -inf for what may not follow. Nothing is normalized
again, so scores stay those of the model.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.data.tokenizer import BOS, EOS, PAD


class SteeredMemory(NamedTuple):
    """What stays the same while B sentences are translated."""

    prefix: Tensor  # (B,P) the pieces that each translation begins with, then pad
    least: Tensor  # (B,) pieces that each has before its eos
    model: Any  # the model's memory


class SteeredState(NamedTuple):
    """What belongs to each hypothesis."""

    read: Tensor  # (B,K,T) what it has read: bos and its pieces
    model: Any  # the model's state


@dataclass(frozen=True)
class Steered:
    """A step that returns log P (B,K,V), -inf for what may not follow.

    Args:
        model: has the step that is steered.
        ngram: no sequence of this many pieces occurs twice in a translation; 0: no such rule.

    A prefix overrides both rules, and its pieces count for them. eos may follow where nothing else
    may.
    """

    model: Any
    ngram: int

    def start(self, memory: SteeredMemory, state: Any) -> SteeredState:
        """Return the state before the first piece, given that of the model."""
        return SteeredState(memory.prefix.new_empty(len(memory.prefix), 1, 0), state)

    def __call__(
        self, tokens: Tensor, state: SteeredState, memory: SteeredMemory
    ) -> tuple[Tensor, SteeredState]:
        """Read one more piece of each hypothesis, (B,K)."""
        logits, model = self.model.step(tokens, state.model, memory.model)
        read = torch.cat([state.read, tokens.unsqueeze(2)], 2)  # (B,K,T+1)
        log_p = logits.log_softmax(2, dtype=torch.float32)  # (B,K,V)
        pieces = read[:, :, 1:]  # (B,K,T)
        length = pieces.size(2)

        forbidden = torch.zeros_like(log_p, dtype=torch.bool)  # (B,K,V)
        if 0 < self.ngram <= length:
            forbidden.scatter_(2, seen_after(pieces, self.ngram), True)
        forbidden[:, :, [PAD, BOS, EOS]] = True
        too_short = (memory.least > length).unsqueeze(1)  # (B,1)
        forbidden[:, :, EOS] = too_short & ~forbidden.all(2)
        if length < memory.prefix.size(1):
            forced = memory.prefix[:, length, None, None]  # (B,1,1)
            others = torch.arange(log_p.size(2), device=log_p.device) != forced  # (B,1,V)
            forbidden = torch.where(forced == PAD, forbidden, others)
        return log_p.masked_fill(forbidden, -torch.inf), SteeredState(read, model)


def seen_after(pieces: Tensor, ngram: int) -> Tensor:
    """Return the pieces (B,K,N) that would repeat a sequence; pad for the rest.

    In the T pieces (B,K,T) of each hypothesis there are N = T - ngram + 1 sequences; one that
    begins with the newest ngram - 1 pieces must not come again.
    """
    sequences = pieces.unfold(2, ngram, 1)  # (B,K,N,ngram)
    newest = pieces[:, :, pieces.size(2) - ngram + 1 :].unsqueeze(2)  # (B,K,1,ngram-1)
    again = (sequences[..., :-1] == newest).all(3)  # (B,K,N)
    return sequences[..., -1].masked_fill(~again, PAD)
