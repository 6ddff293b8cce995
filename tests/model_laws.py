"""Laws that every model keeps, whatever it is made of, and the padded batch they are tried on."""

from copy import deepcopy

import torch
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY
from torch import Tensor

from nmt.attention.mask import PAD
from nmt.decoding.search import select
from nmt.models.seq2seq import Seq2Seq

B, S, T, K = 3, 7, 5, 4
LENGTHS = (7, 4, 1)
BOS, EOS = 2, 3


def sources() -> Tensor:
    """Ids (B,S) of sentences of unequal length, eos last, then padding."""
    ids = torch.randint(4, SOURCE_VOCABULARY, (B, S))
    for row, length in enumerate(LENGTHS):
        ids[row, length - 1] = EOS
        ids[row, length:] = PAD
    return ids


def targets() -> Tensor:
    """Ids (B,T), bos first."""
    ids = torch.randint(4, TARGET_VOCABULARY, (B, T))
    ids[:, 0] = BOS
    return ids


def decode(model: Seq2Seq, source: Tensor, target: Tensor, room: int = 0) -> Tensor:
    """The logits (B,T,V) of a target that is read step by step."""
    memory = model.encode(source)
    state = model.start(memory, room)
    steps = []
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


class ModelLaws:
    """What holds for every case; a test class of a module with the fixture `case` inherits it."""

    def test_steps_are_the_whole_target_at_once(self, case):
        at_once = case.model(case.source, case.target)
        assert at_once.shape == (B, T, TARGET_VOCABULARY)
        torch.testing.assert_close(decode(case.model, case.source, case.target), at_once)

    def test_room_to_read_into_changes_nothing(self, case):
        without = decode(case.model, case.source, case.target)
        torch.testing.assert_close(decode(case.model, case.source, case.target, T + 3), without)

    def test_hypotheses_beside_each_other_are_each_alone(self, case):
        """K targets a sentence, over one copy of its memory, with parents exchanged on the way."""
        model, memory = case.model, case.model.encode(case.source)
        several = torch.randint(4, TARGET_VOCABULARY, (B, K, T))
        parents = torch.randint(K, (B, K))
        rows = torch.arange(B)[:, None]
        _, state = model.step(torch.full((B, 1), BOS), model.start(memory), memory)
        state = select(state, torch.zeros(B, K, dtype=torch.long))  # one becomes K
        for t in range(T):
            logits, state = model.step(several[:, :, t], state, memory)  # (B,K,V)
            if t == 2:
                state = select(state, parents)
                several[:, :, : t + 1] = several[rows, parents, : t + 1]
        for k in range(K):
            target = torch.cat([case.target[:, :1], several[:, k]], 1)
            torch.testing.assert_close(logits[:, k], model(case.source, target)[:, -1])

    def test_a_sentence_alone_is_the_sentence_in_a_padded_batch(self, case):
        together = case.model(case.source, case.target)
        for i, length in enumerate(LENGTHS):
            alone = case.model(case.source[i : i + 1, :length], case.target[i : i + 1])
            torch.testing.assert_close(alone[0], together[i])

    def test_the_future_is_invisible(self, case):
        before = case.model(case.source, case.target)
        case.target[:, 3:] = 4 + (case.target[:, 3:] - 3) % (TARGET_VOCABULARY - 4)  # all others
        after = case.model(case.source, case.target)
        torch.testing.assert_close(after[:, :3], before[:, :3])
        assert (after[:, 3] != before[:, 3]).any(-1).all()


def gradients_reach_every_parameter(case: Case) -> None:
    logits = case.model.train()(case.source, case.target)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in case.model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def bfloat16_is_float32_but_for_rounding(case: Case, atol: float) -> None:
    model = case.model.float()
    exact = model(case.source, case.target)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model(case.source, case.target)
        stepped = decode(model, case.source, case.target)
    (coarse.float() * torch.randn(B, T, TARGET_VOCABULARY)).sum().backward()
    torch.testing.assert_close(coarse.float(), exact, atol=atol, rtol=0.0)
    torch.testing.assert_close(stepped.float(), exact, atol=atol, rtol=0.0)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
