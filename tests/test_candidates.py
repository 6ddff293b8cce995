"""What may follow, against all that there is, sorted."""

import math

import pytest
import torch
from test_search import BOS, EOS, PAD, UNK, A, B, C, random_memory
from torch import Tensor

from nmt.decoding import candidates as candidates_module
from nmt.decoding.candidates import MostProbable

Found = tuple[Tensor, Tensor, Tensor]


def best(logits: Tensor, log_p: Tensor, at_limit: Tensor, num: int) -> Found:
    return MostProbable(num, PAD, BOS, EOS)(logits, log_p, at_limit)


def sorted_all(logits: Tensor, log_p: Tensor, at_limit: Tensor, num: int) -> Found:
    """The same from a stable sort of everything: log P, then parent, then token."""
    log_token = logits.log_softmax(2, dtype=torch.float32)
    log_token[:, :, [PAD, BOS]] = -torch.inf
    impossible = at_limit[:, None] & (torch.arange(logits.size(2)) != EOS)  # (B,V)
    log_token.masked_fill_(impossible[:, None], -torch.inf)
    top, place = (log_token + log_p[:, :, None]).flatten(1).sort(descending=True, stable=True)
    return top[:, :num], place[:, :num] // logits.size(2), place[:, :num] % logits.size(2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("values", [2, 5, 1000])
@pytest.mark.parametrize("size", [5, 64, 300, 64 * 20, 64 * 20 + 1, 8_063])
def test_candidates_are_the_first_of_all_sorted(size, values, dtype, monkeypatch):
    """Few values: hundreds are equal, in a block, in several, and behind the last whole one."""
    monkeypatch.setattr(candidates_module, "CACHED", 2 * 3 * size)  # two sentences at a time
    draw = torch.Generator().manual_seed(size + values)
    logits = torch.randint(values, (7, 3, size), generator=draw).to(dtype)
    log_p = -torch.randint(3, (7, 3), generator=draw).float()
    logits[0, 0, -1] = values  # behind the last whole block, or at its end
    log_p[1] = 0.0
    logits[1] = logits[1, 0]  # parents that are alike
    log_p[2, 1:] = -torch.inf  # one hypothesis
    at_limit = torch.arange(7) == 5
    given = logits, log_p, at_limit
    for num in (1, 6, 11):
        found, expected = best(*given, num), sorted_all(*given, num)
        assert torch.equal(found[0], expected[0])
        possible = expected[0].isfinite()
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one[possible], other[possible])


def test_ties_go_to_the_earlier_parent_and_the_smaller_token():
    logits = torch.zeros(1, 3, 7)
    log_p = torch.tensor([[-1.0, -1.0, -3.0]])
    scores, parents, tokens = best(logits, log_p, torch.tensor([False]), 7)
    assert parents.tolist() == [[0, 0, 0, 0, 0, 1, 1]]
    assert tokens.tolist() == [[UNK, EOS, A, B, C, UNK, EOS]]
    assert scores.tolist() == [pytest.approx([-1 - math.log(7)] * 7)]


def test_bf16_logits_are_normalized_in_float32():
    logits = random_memory(3, vocabulary=11).logits.bfloat16()
    no_limit = torch.zeros(3, dtype=torch.bool)
    scores, parents, tokens = best(logits[:, :2], torch.zeros(3, 2), no_limit, 5)
    assert scores.dtype == torch.float32
    truth = logits[:, :2].double().log_softmax(2)
    rows = torch.arange(3).unsqueeze(1)
    torch.testing.assert_close(scores.double(), truth[rows, parents, tokens], rtol=0, atol=1e-5)
