"""Batches by a budget of tokens."""

import numpy as np

# Batches' worth of pairs that are shuffled into one pool and sorted there. The more, the less
# padding; the fewer, the more the company of a pair changes from epoch to epoch.
POOL = 256


def token_batches(lengths: np.ndarray, max_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """The pairs' indices in batches, each pair once; the same for the same arguments.

    lengths: (N,2) ints, source and target. A batch of B pairs whose longest source has S tokens
    and longest target T keeps B·max(S,T) ≤ max_tokens. Pairs are shuffled into pools, sorted there
    so that the pairs of a batch are about as long, and the batches are shuffled.
    """
    longest = lengths.max(1)
    assert longest.max() <= max_tokens, "a pair is longer than the budget"
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = max(1, round(POOL * max_tokens / longest.mean()))
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        members = members[_by_length(lengths[members])]
        batches += _cut(members.tolist(), longest[members].tolist(), max_tokens)
    return [batches[index] for index in random.permutation(len(batches))]


def padding_share(lengths: np.ndarray, batches: list[list[int]]) -> float:
    """The share of padding among all places of both sides' tensors."""
    places = sum(len(batch) * int(lengths[batch].max(0).sum()) for batch in batches)
    return 1 - int(lengths.sum()) / places


def _by_length(lengths: np.ndarray) -> np.ndarray:
    """By target, then by source: up and down in turn, so that all neighbours are alike."""
    source, target = lengths[:, 0], lengths[:, 1]
    return np.lexsort((np.where(target % 2, source, -source), target))


def _cut(members: list[int], longest: list[int], max_tokens: int) -> list[list[int]]:
    """Cuts a sorted pool wherever the next pair would go over the budget."""
    batches: list[list[int]] = [[]]
    width = 0
    for member, length in zip(members, longest, strict=True):
        width = max(width, length)
        if (len(batches[-1]) + 1) * width > max_tokens:
            batches.append([])
            width = length
        batches[-1].append(member)
    return batches
