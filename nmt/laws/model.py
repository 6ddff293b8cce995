"""The laws of models, whatever they are made of. Each takes a Translation of its own.

See :mod:`nmt.laws.attention` for what they return.
"""

from copy import deepcopy

import torch
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.decoding.search import select
from nmt.laws.law import require, same
from nmt.models.seq2seq import Seq2Seq

SOURCE_VOCABULARY, TARGET_VOCABULARY = 23, 29
B, S, T, K = 3, 7, 5, 4
LENGTHS = (7, 4, 1)
BOS, EOS = 2, 3


def sources() -> Tensor:
    """Return ids (B,S) of sentences of unequal length, eos last, then padding."""
    ids = torch.randint(4, SOURCE_VOCABULARY, (B, S))
    for row, length in enumerate(LENGTHS):
        ids[row, length - 1] = EOS
        ids[row, length:] = PAD
    return ids


def targets() -> Tensor:
    """Return ids (B,T), bos first."""
    ids = torch.randint(4, TARGET_VOCABULARY, (B, T))
    ids[:, 0] = BOS
    return ids


def decode(model: Seq2Seq, source: Tensor, target: Tensor, room: int = 0) -> Tensor:
    """Return the logits (B,T,V) of a target that is read step by step."""
    memory = model.encode(source)
    state = model.start(memory, room)
    steps: list[Tensor] = []
    for tokens in target.split(1, dim=1):
        logits, state = model.step(tokens, state, memory)
        steps.append(logits)
    return torch.cat(steps, 1)


class Case:
    """A model of its own, and a padded batch for it."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = deepcopy(model)
        torch.manual_seed(2)
        self.source, self.target = sources(), targets()


def step_by_step_equals_all_at_once(case: Case) -> float:
    """A model translates as it was trained."""
    at_once = case.model(case.source, case.target)
    require(at_once.shape == (B, T, TARGET_VOCABULARY), f"logits are {tuple(at_once.shape)}")
    return same(decode(case.model, case.source, case.target), at_once)


def a_state_with_room_changes_nothing(case: Case) -> float:
    """A state that does not grow, as recorded passes on a GPU need it."""
    without = decode(case.model, case.source, case.target)
    return same(decode(case.model, case.source, case.target, T + 3), without)


def hypotheses_do_not_change_each_other(case: Case) -> float:
    """K targets per sentence, over one copy of its memory, with parents exchanged on the way."""
    model, memory = case.model, case.model.encode(case.source)
    several = torch.randint(4, TARGET_VOCABULARY, (B, K, T))
    parents = torch.randint(K, (B, K))
    rows = torch.arange(B)[:, None]
    logits, state = model.step(torch.full((B, 1), BOS), model.start(memory), memory)
    state = select(state, torch.zeros(B, K, dtype=torch.long))  # one becomes K
    for t in range(T):
        logits, state = model.step(several[:, :, t], state, memory)  # (B,K,V)
        if t == 2:
            state = select(state, parents)
            several[:, :, : t + 1] = several[rows, parents, : t + 1]
    alone = (
        model(case.source, torch.cat([case.target[:, :1], several[:, k]], 1))[:, -1]
        for k in range(K)
    )
    return max(same(logits[:, k], one) for k, one in enumerate(alone))


def padding_changes_nothing(case: Case) -> float:
    """Padding is invisible."""
    together = case.model(case.source, case.target)
    return max(
        same(case.model(case.source[i : i + 1, :length], case.target[i : i + 1])[0], together[i])
        for i, length in enumerate(LENGTHS)
    )


def the_future_is_invisible(case: Case) -> float:
    """What is to be predicted is not read before."""
    before = case.model(case.source, case.target)
    case.target[:, 3:] = 4 + (case.target[:, 3:] - 3) % (TARGET_VOCABULARY - 4)  # all others
    after = case.model(case.source, case.target)
    require((after[:, 3] != before[:, 3]).any(-1).all(), "what was read changes nothing")
    return same(after[:, :3], before[:, :3])


LAWS = (
    step_by_step_equals_all_at_once,
    a_state_with_room_changes_nothing,
    hypotheses_do_not_change_each_other,
    padding_changes_nothing,
    the_future_is_invisible,
)
