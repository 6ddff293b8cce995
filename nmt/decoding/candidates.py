"""What may follow the hypotheses of a sentence: the most probable continuations, in order."""

import torch
from torch import Tensor

CACHED = 2**18  # numbers that a CPU keeps at hand
BLOCK = 64  # numbers whose maximum is looked at first, see `in_blocks`


def candidates(
    logits: Tensor, log_p: Tensor, at_limit: Tensor, *, num: int, pad: int, bos: int, eos: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The `num` most probable continuations: log P, parent and token, (B,C) each, best first.

    Equal ones are ordered by parent, then by token. `logits` (B,K,V) of any float type are
    normalized in float32 over the whole vocabulary. What cannot be has log P = -inf: pad and bos,
    and in the rows of `at_limit` (B,) all but eos. C is `num`, or less where there are not so many.

    A CPU takes a few sentences at a time, so that their probabilities stay in its cache.
    """
    _, several, vocabulary = logits.shape
    size = max(1, CACHED // logits[0].numel()) if logits.device.type == "cpu" else len(logits)
    blocks = vocabulary // BLOCK if several * (vocabulary // BLOCK) > num else 0
    count = torch.arange(max(vocabulary, several * max(blocks, 1)), device=logits.device)
    found: list[tuple[Tensor, ...]] = []
    for some, so_far in zip(logits.split(size), log_p.split(size), strict=True):
        log_token = some.log_softmax(2, dtype=torch.float32)  # (b,K,V)
        end = log_token[:, :, eos] + so_far  # (b,K): a candidate of its own
        for special in (pad, bos, eos):
            log_token[:, :, special] = -torch.inf
        behind = (log_token[:, :, blocks * BLOCK :] + so_far.unsqueeze(2)).flatten(1)  # (b,K·R)
        found.append((*in_blocks(log_token, so_far, num, blocks, count), behind, end))
    inside, place, behind, end = (torch.cat(parts) for parts in zip(*found, strict=True))

    row = count[:several] * vocabulary  # (K,)
    places = (row.unsqueeze(1) + count[blocks * BLOCK : vocabulary]).flatten()  # (K·R,)
    place = torch.cat([place, places.expand_as(behind), (row + eos).expand_as(end)], 1)  # (B,N)
    others = torch.cat([inside, behind], 1).masked_fill(at_limit.unsqueeze(1), -torch.inf)
    top = torch.cat([others, end], 1)  # (B,N)
    first = leading(top, place, num)  # (B,C)
    place = place.gather(1, first)
    return top.gather(1, first), place // vocabulary, place % vocabulary


def in_blocks(
    values: Tensor, added: Tensor, num: int, blocks: int, count: Tensor
) -> tuple[Tensor, Tensor]:
    """The log P values (B,K,V) + added (B,K) of `num` blocks, and their places: (B,num·BLOCK) each.

    V has so many whole `blocks`, and what is behind them; `count` counts from 0. The `num` highest
    of all blocks lie in the `num` blocks with the highest maxima, the first where they are equal. A
    CPU finds maxima at the speed of memory, and `topk` among all takes several times as long.
    """
    _, several, size = values.shape
    if not blocks:
        return added[:, :0], count[:0].expand(len(values), 0)
    whole = blocks * BLOCK
    maxima = values[:, :, :whole].unflatten(2, (blocks, BLOCK)).amax(3) + added.unsqueeze(2)
    block = leading(maxima.flatten(1), count[: several * blocks], num)  # (B,num)
    parent = block // blocks  # (B,num)
    start = torch.add(block * BLOCK, parent, alpha=size - whole)
    place = (start.unsqueeze(2) + count[:BLOCK]).flatten(1)  # (B,num·BLOCK)
    found = values.flatten(1).gather(1, place).unflatten(1, (-1, BLOCK))
    return (found + added.gather(1, parent).unsqueeze(2)).flatten(1), place


def leading(log_p: Tensor, place: Tensor, num: int) -> Tensor:
    """Where the `num` highest log P (B,N), none above 0, stand: (B,C), best first.

    Equal ones are ordered by place, which is below 2²⁹. `topk` does not say which of equal values
    it takes. So it is given whole numbers that all differ: the bits of -log P as a double, which
    are in its order and end in 29 zeros, with the place there.
    """
    rank = log_p.abs().double().view(torch.int64) | place  # (B,N)
    return rank.topk(min(num, log_p.size(1)), largest=False).indices
