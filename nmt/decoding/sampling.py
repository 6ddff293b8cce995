"""Translations drawn at random: piece by piece from what the model says may follow.

Each sample of a sentence has random numbers of its own, by a seed, the sentence and the sample's
number. So what is drawn does not depend on the batch or the order of the lines, except where
rounding decides.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.length import LengthNorm
from nmt.decoding.search import Hypothesis, Memory, State, Step, living, select
from nmt.hardware.runtime import widest


class Distribution(NamedTuple):
    """What pieces are drawn from: the model's own distribution, or less of it.

    log P is divided by the temperature; then the `top_k` most probable pieces stay (Fan et al.
    2018), and of these as few as have together at least `top_p` (Holtzman et al. 2020, nucleus
    sampling). Pieces as probable as the last one of them stay, too. `top_k` 0 and `top_p` 1: all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, log_p: Tensor) -> Tensor:
        """Return the probabilities (B,K,V), which need not sum to one, of log P (B,K,V)."""
        log_p = log_p / self.temperature
        if 0 < self.top_k < log_p.size(2):
            least = log_p.topk(self.top_k, 2).values[:, :, -1:]  # (B,K,1)
            log_p = log_p.masked_fill(log_p < least, -torch.inf)
        p = log_p.softmax(2)
        if self.top_p < 1:
            high = p.sort(2, descending=True).values
            more_probable = high.cumsum(2) - high  # what those before have together
            least = high.masked_fill(more_probable >= self.top_p, torch.inf).amin(2, keepdim=True)
            p = p.masked_fill(p < least, 0)
        return p


def sample(
    step: Step[State, Memory],
    memory: Memory,
    state: State,
    *,
    uniform: Tensor,
    distribution: Distribution,
    max_length: Tensor,
    length_norm: LengthNorm,
    bos: int,
    eos: int,
) -> list[list[Hypothesis]]:
    """K independent translations of each of B sentences, in the order of `uniform`.

    `step` returns log P (B,K,V), -inf for what may not follow; see `beam_search` for the rest.
    `uniform` (B,K,T) has a random number for each piece, T = the largest `max_length` (B,) + 1: it
    says where in the distribution the piece lies, in the order of the vocabulary. A hypothesis has
    at most `max_length` pieces before its eos. Its score is the model's log P(Y|X) / lp(Y),
    whichever distribution it was drawn from.
    """
    num_sentences, num, _ = uniform.shape
    device = uniform.device
    found: list[list[Any]] = [[None] * num for _ in range(num_sentences)]

    # A row for each sentence that has an unfinished sample; all of these lose rows together.
    sentence = torch.arange(num_sentences)  # (B,)
    ids = sentence.new_empty(num_sentences, num, 0)  # (B,K,T), on the host
    going = torch.ones(num_sentences, num, dtype=torch.bool)  # (B,K), on the host
    tokens = torch.full((num_sentences, 1), bos, device=device)
    total = torch.zeros(num_sentences, num, device=device)  # (B,K) log P
    limit = max_length
    length = 0
    while len(sentence):
        log_p, state = step(tokens, state, memory)  # (B,1,V), then (B,K,V)
        if not length:  # one hypothesis, of which all samples begin
            log_p = log_p.expand(-1, num, -1)
            state = select(state, torch.zeros(num_sentences, num, dtype=torch.long, device=device))
        tokens = drawn(distribution(log_p), uniform[:, :, length])  # (B,K)
        tokens = tokens.masked_fill((limit <= length).unsqueeze(1), eos)
        total = total + log_p.gather(2, tokens.unsqueeze(2)).squeeze(2)
        length += 1

        scores, newest = (total / length_norm(torch.tensor(length))).cpu(), tokens.cpu()
        ends = going & (newest == eos)  # (B,K)
        assert scores[ends].isfinite().all(), "are the logits finite?"
        for row, place in ends.nonzero().tolist():
            score = scores[row, place].item()
            found[sentence[row]][place] = Hypothesis(ids[row, place].tolist(), score)
        ids = torch.cat([ids, newest.unsqueeze(2)], 2)
        going = going & ~ends
        rows = living(~going.any(1), device)  # (B',)
        if len(rows) < len(sentence):
            sentence, ids, going, there = sentence[rows], ids[rows], going[rows], rows.to(device)
            parts = (memory, state, tokens, total, limit, uniform)
            memory, state, tokens, total, limit, uniform = select(parts, there)
    return found


def drawn(p: Tensor, uniform: Tensor) -> Tensor:
    """Return the pieces (B,K) that lie at these places, 0 to below 1, of distributions (B,K,V)."""
    share = p.cumsum(2, dtype=widest(p.device))  # (B,K,V)
    place = uniform.unsqueeze(2) * share[:, :, -1:]  # (B,K,1)
    found = torch.searchsorted(share, place, right=True)  # the first whose share is above
    return found.squeeze(2).clamp(max=p.size(2) - 1)


def uniforms(seed: int, sources: list[list[int]], samples: range, num: int) -> Tensor:
    """`num` random numbers for each of these samples of B sentences, (B,K,num) in float64.

    They depend only on the seed, the ids of the sentence and the number of the sample; the first
    ones do not depend on `num`.
    """
    numbers = [
        [
            np.random.Generator(
                np.random.Philox(np.random.SeedSequence([seed, *ids], spawn_key=(one,)))
            ).random(num)
            for one in samples
        ]
        for ids in sources
    ]
    return torch.from_numpy(np.array(numbers))
