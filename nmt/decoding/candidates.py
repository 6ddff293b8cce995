"""What may follow the hypotheses of a sentence: candidates, of which a search keeps some."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

CACHED = 2**18  # numbers that a CPU keeps at hand
BLOCK = 64  # numbers whose maximum is looked at first, see `in_blocks`


class Candidates(NamedTuple):
    """Continuations of the hypotheses of B sentences, C of each sentence, best first."""

    log_p: Tensor  # (B,C) of the whole hypothesis; -inf: it cannot be
    parents: Tensor  # (B,C) the hypothesis that is continued
    tokens: Tensor  # (B,C) what it is continued with


# What chooses candidates, given the logits (B,K,V) of what may follow each hypothesis, their log P
# so far (B,K), and of which sentences they must end now (B,). Two that choose the same have to be
# equal: recorded steps are found again by it.
Choose = Callable[[Tensor, Tensor, Tensor], Candidates]


class MostProbable(NamedTuple):
    """The `num` most probable continuations, or fewer where there are not so many.

    Equal ones are ordered by parent, then by token. Logits of any float type are normalized in
    float32 over the whole vocabulary; a steered step returns log P already. Impossible
    continuations have log P = -inf: pad and bos, and all but eos in a sentence that must end.
    """

    num: int
    pad: int
    bos: int
    eos: int
    normalized: bool = False  # they are log P already

    def __call__(self, logits: Tensor, log_p: Tensor, at_limit: Tensor) -> Candidates:
        """Choose; the place of a continuation is parent · V + token.

        A CPU does a few sentences at a time, so that their probabilities stay in its cache. It
        keeps the ones that can be among the best: from whole blocks of the vocabulary, from the
        rest behind these blocks, and the ends.
        """
        several, vocabulary = logits.shape[1:]
        size = max(1, CACHED // logits[0].numel()) if logits.device.type == "cpu" else len(logits)
        blocks = vocabulary // BLOCK if several * (vocabulary // BLOCK) > self.num else 0
        rest = slice(blocks * BLOCK, vocabulary)
        count = torch.arange(max(vocabulary, several * max(blocks, 1)), device=logits.device)
        kept: list[tuple[Tensor, ...]] = []
        for some, so_far in zip(logits.split(size), log_p.split(size), strict=True):
            log_token = (
                some.clone() if self.normalized else some.log_softmax(2, dtype=torch.float32)
            )
            ends = log_token[:, :, self.eos] + so_far  # (b,K)
            for special in (self.pad, self.bos, self.eos):
                log_token[:, :, special] = -torch.inf
            behind = (log_token[:, :, rest] + so_far.unsqueeze(2)).flatten(1)  # (b,K·R)
            kept.append((*in_blocks(log_token, so_far, self.num, blocks, count), behind, ends))
        inside, place_inside, behind, ends = (torch.cat(one) for one in zip(*kept, strict=True))

        first = count[:several, None] * vocabulary  # (K,1) the place of each parent's token 0
        place_behind = (first + count[rest]).flatten().expand_as(behind)  # (B,K·R)
        place_ends = (first + self.eos).flatten().expand_as(ends)  # (B,K)
        place = torch.cat([place_inside, place_behind, place_ends], 1)  # (B,N)
        go_on = torch.cat([inside, behind], 1).masked_fill(at_limit.unsqueeze(1), -torch.inf)
        total = torch.cat([go_on, ends], 1)  # (B,N)
        best = leading(total, place, self.num)  # (B,C)
        place = place.gather(1, best)
        return Candidates(total.gather(1, best), place // vocabulary, place % vocabulary)


def in_blocks(
    values: Tensor, added: Tensor, num: int, blocks: int, count: Tensor
) -> tuple[Tensor, Tensor]:
    """The log P values (B,K,V) + added (B,K) of `num` blocks, and their places: (B,num·BLOCK) each.

    Of each row of V numbers so many are whole `blocks`; `count` counts from 0. The `num` highest
    numbers of all blocks lie in the `num` blocks with the highest maxima, the first where they are
    equal. A CPU finds maxima at the speed of memory, but `topk` among all numbers takes several
    times as long.
    """
    _, several, vocabulary = values.shape
    if not blocks:
        return added[:, :0], count[:0].expand(len(values), 0)
    whole = values[:, :, : blocks * BLOCK].unflatten(2, (blocks, BLOCK))  # (B,K,blocks,BLOCK)
    maxima = (whole.amax(3) + added.unsqueeze(2)).flatten(1)  # (B,K·blocks)
    chosen = leading(maxima, count[: several * blocks], num)  # (B,num)
    parent, block = chosen // blocks, chosen % blocks  # (B,num)
    start = parent * vocabulary + block * BLOCK  # (B,num) the place of each block's first number
    place = (start.unsqueeze(2) + count[:BLOCK]).flatten(1)  # (B,num·BLOCK)
    found = values.flatten(1).gather(1, place).unflatten(1, (-1, BLOCK))
    return (found + added.gather(1, parent).unsqueeze(2)).flatten(1), place


def leading(log_p: Tensor, place: Tensor, num: int) -> Tensor:
    """Where the `num` highest log P (B,N), none above 0, stand: (B,C), best first.

    Equal ones are ordered by place, which is below 2²⁹. `topk` does not say which of equal values
    it takes. So it is given whole numbers that all differ: the bits of -log P, which are in its
    order, and the place behind them.
    """
    bits = log_p.float().abs().view(torch.int32).long()  # (B,N), below 2³¹
    rank = bits << 29 | place  # (B,N)
    return rank.topk(min(num, log_p.size(1)), largest=False).indices
