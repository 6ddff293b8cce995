"""Beam search over an abstract step function; greedy search is a beam of one."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from nmt.decoding.candidates import Candidates, Choose
from nmt.decoding.length import LengthNorm
from nmt.hardware.nested import Nested, each

Part = Tensor | tuple[Tensor, ...]
Memory = TypeVar("Memory", bound=tuple[Part, ...])
State = TypeVar("State", bound=tuple[Part, ...])

Step = Callable[[Tensor, State, Memory], tuple[Tensor, State]]

FEW = 8  # rows of which a GPU keeps those of sentences that are done, see `living`


class Hypothesis(NamedTuple):
    """A finished translation: its token ids without bos and eos, and log P(Y|X) / lp(Y)."""

    ids: list[int]
    score: float


class Beam(NamedTuple):
    """The live hypotheses of B sentences; if there are fewer than K, the rest has log P = -inf.

    Some sentences may be done; their rows mean nothing any longer.
    """

    tokens: Tensor  # (B,K) their newest
    log_p: Tensor  # (B,K)
    state: Any  # (B,K,...) what the model knows of each
    length: Tensor  # (B,) tokens that each has
    limit: Tensor  # (B,) tokens that a hypothesis may have before its eos
    done: Tensor  # (B,) whether a sentence is
    num_finished: Tensor  # (B,) hypotheses
    best: Tensor  # (B,N) their best scores, highest first


class Told(NamedTuple):
    """What the host learns of a step: which hypotheses live on and which have finished."""

    tokens: Tensor  # (B,K) the newest of those that live on
    parents: Tensor  # (B,K) the hypothesis that each continues
    ends: Tensor  # (B,K) whether a candidate is a hypothesis that has finished
    ended: Tensor  # (B,K) the hypothesis that it continued
    scores: Tensor  # (B,K)
    done: Tensor  # (B,)


class Turn(NamedTuple):
    """The result of one step: each hypothesis has read one more token."""

    next: Beam
    told: Tensor  # (B,5K+1) see `together`


def together(told: Told) -> Tensor:
    """All of it as one float32 tensor, exact for ids up to 2²⁴: the host waits only once."""
    return torch.cat([part.float() for part in (*told[:-1], told.done.unsqueeze(1))], 1)


def apart(told: Tensor) -> Told:
    """Take apart, on the host, what was put together."""
    told = told.cpu()
    tokens, parents, ends, ended, scores = told[:, :-1].chunk(5, 1)  # (B,K) each
    done = told[:, -1]
    return Told(tokens.long(), parents.long(), ends.bool(), ended.long(), scores, done.bool())


Take = Callable[[Beam, Any], Turn]
RecordSteps = Callable[[Take, Any], Take]


class Search(NamedTuple):
    """How the hypotheses that live on are chosen."""

    beam: int
    length_norm: LengthNorm
    eos: int
    choose: Choose


def beam_search(
    step: Step[State, Memory],
    memory: Memory,
    state: State,
    *,
    beam: int,
    max_length: Tensor | int,
    length_norm: LengthNorm,
    n_best: int,
    bos: int,
    eos: int,
    choose: Choose,
    record: RecordSteps | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses found for each of B sentences, best first, all different.

    The search is for the first `n_best` of them. They do not depend on this number: the first of
    five is the one that a search for one finds. The others were found on the way.

    `step(tokens (B,K), state, memory)` gives the logits of the next token (B,K,V) and the next
    state; it may overwrite the last one. `memory` and `state` are NamedTuples of batch-first
    tensors and, behind the first, of tuples of such: memory (B,...) is what all hypotheses of a
    sentence share; state (B,K,...) belongs to each and starts with K = 1. K grows to `beam` with
    the second step. Both lose the rows of sentences that are done.

    A hypothesis has at most `max_length` (B,) tokens before its eos; there eos is the only choice
    left. Its score is log P(Y|X) / lp(Y), with eos counted in both.

    At each step `choose` gives candidates, continuations of the K live hypotheses, best first:
    `MostProbable`, of twice as many, is beam search. Those among the first K that end in eos are
    finished; the first K of the others live on. A sentence is done when
    K hypotheses have finished and no live one is better now than the best of them. It is done
    earlier when no live one can still become one of the `n_best`: log P only falls, and lp grows at
    most to that of `max_length`. With a beam of one this is the greedy loop.

    `record(take, how)` may return a replacement for `take`, the part of a step that runs on the
    device alone; `how` is what it depends on beside its arguments.
    """
    assert 1 <= n_best <= beam, "n_best hypotheses need a beam as wide"
    first = memory[0]
    assert isinstance(first, Tensor)
    num_sentences, device = len(first), first.device
    finished: list[list[Hypothesis]] = [[] for _ in range(num_sentences)]
    how = Search(beam, length_norm, eos, choose)
    take: Take = partial(turn, step, how)
    take = record(take, how) if record else take

    # A row for each sentence that is not done, see `living`; all of these lose rows together.
    sentence = torch.arange(num_sentences)  # (B,)
    ids = sentence.new_empty(num_sentences, 1, 0)  # (B,K,T), on the host
    none = torch.zeros(num_sentences, dtype=torch.long, device=device)
    now = Beam(
        tokens=none.new_full((num_sentences, 1), bos),
        log_p=torch.zeros(num_sentences, 1, device=device),
        state=state,
        length=none,
        limit=torch.as_tensor(max_length, device=device).expand(num_sentences),
        done=none.bool(),
        num_finished=none,
        best=torch.full((num_sentences, n_best), -torch.inf, device=device),
    )

    while len(sentence):
        now, told = take(now, memory)
        tokens, parents, ends, ended, scores, done = apart(told)
        row = ends.nonzero()[:, 0]  # (E,) of those that have finished
        pieces = ids[row, ended[ends]].tolist()  # (E,T)
        hypotheses = map(Hypothesis, pieces, scores[ends].tolist())
        for number, hypothesis in zip(sentence[row].tolist(), hypotheses, strict=True):
            finished[number].append(hypothesis)
        ids = torch.cat([select(ids, parents), tokens.unsqueeze(2)], 2)  # (B,K,T+1)
        rows = living(done, device)  # (B',)
        if len(rows) < len(done):
            ids, sentence, there = ids[rows], sentence[rows], rows.to(device)
            now, memory = select(now, there), select(memory, there)

    assert all(finished), "a sentence has no hypothesis: are the logits finite?"
    return [sorted(found, key=lambda h: h.score, reverse=True) for found in finished]


def turn(step: Step[Any, Any], how: Search, now: Beam, memory: Any) -> Turn:
    """Read one more token of each hypothesis and find what becomes of it."""
    length = now.length + 1  # (B,) of the hypotheses that end now, eos included
    at_limit = now.limit < length  # (B,)
    logits, state = step(now.tokens, now.state, memory)  # (B,K,V)
    found = how.choose(logits, now.log_p, at_limit)  # (B,C)

    first = Candidates(*(one[:, : how.beam] for one in found))  # (B,K)
    ends = (first.tokens == how.eos) & first.log_p.isfinite() & ~now.done.unsqueeze(1)  # (B,K)
    scores = first.log_p / how.length_norm(length).unsqueeze(1)  # (B,K)
    finished = scores.masked_fill(~ends, -torch.inf)  # (B,K)
    best = torch.cat([now.best, finished], 1).topk(now.best.size(1)).values  # (B,N)
    num_finished = now.num_finished + ends.sum(1)  # (B,)

    live = going_on(found, how)  # (B,K)
    highest = live.log_p[:, 0]  # (B,)
    score_now = highest / how.length_norm(length)
    score_at_most = highest / how.length_norm(now.limit + 1)
    beaten_now = (num_finished >= how.beam) & (best[:, 0] >= score_now)
    done = now.done | beaten_now | (best[:, -1] >= score_at_most) | at_limit  # (B,)
    state = select(state, live.parents)
    return Turn(
        Beam(live.tokens, live.log_p, state, length, now.limit, done, num_finished, best),
        together(Told(live.tokens, live.parents, ends, first.parents, scores, done)),
    )


def going_on(found: Candidates, how: Search) -> Candidates:
    """The first K candidates (B,K) that do not end, with log P = -inf where there are fewer."""
    going = found.log_p.masked_fill(found.tokens == how.eos, -torch.inf)  # (B,C)
    log_p, place = going.sort(descending=True, stable=True)
    log_p, place = log_p[:, : how.beam], place[:, : how.beam]  # (B,K)
    return Candidates(log_p, found.parents.gather(1, place), found.tokens.gather(1, place))


def living(done: Tensor, device: torch.device) -> Tensor:
    """The rows (B',) to continue with, of those where sentences are done (B,).

    On a GPU a few rows less save hardly any time. There half of the rows go when half of the
    sentences are done, and so on, as long as there are many.
    """
    if done.all() or not wants_shapes_again(device):
        return (~done).nonzero()[:, 0]
    size, num_living = len(done), int((~done).sum())
    while size > FEW and num_living <= size // 2:
        size //= 2
    return done.int().argsort(stable=True)[:size].sort().values  # those that are not done first


def wants_shapes_again(device: torch.device) -> bool:
    """Whether a device is faster if shapes repeat, as a GPU is; see `StepRecorder`."""
    return device.type == "cuda"


def select(nested: Nested, index: Tensor) -> Nested:
    """Keep only these rows (B',) of all tensors, or these hypotheses (B,K') of each row."""

    def chosen(one: Tensor) -> Tensor:
        if index.dim() == 1:
            return one.index_select(0, index)
        first = torch.arange(len(index), device=index.device).unsqueeze(1) * one.shape[1]  # (B,1)
        place = (first + index).flatten()  # (B·K',) among the hypotheses of all sentences
        return one.flatten(0, 1).index_select(0, place).unflatten(0, index.shape)

    return each(nested, chosen)
