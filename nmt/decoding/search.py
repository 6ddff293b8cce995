"""Beam search over an abstract step function; greedy search is a beam of one."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

Part = Tensor | tuple[Tensor, ...]
Memory = TypeVar("Memory", bound=tuple[Part, ...])
State = TypeVar("State", bound=tuple[Part, ...])
Tensors = TypeVar("Tensors", bound=tuple[Part, ...])

Step = Callable[[Tensor, State, Memory], tuple[Tensor, State]]

CACHED = 2**18  # numbers that a CPU keeps at hand, see `candidates`
BLOCK = 64  # numbers whose maximum is looked at first, see `highest`


class Hypothesis(NamedTuple):
    """A finished translation: its token ids without bos and eos, and log P(Y|X) / lp(Y)."""

    ids: list[int]
    score: float


class Beam(NamedTuple):
    """The live hypotheses of B sentences; where there are fewer than K, the rest has log P = -inf.

    Some sentences may be done; of these nothing is wanted any longer.
    """

    tokens: Tensor  # (B,K) their newest
    log_p: Tensor  # (B,K)
    state: Any  # (B,K,...) what the model knows of each
    limit: Tensor  # (B,) tokens that a hypothesis may have before its eos
    done: Tensor  # (B,) whether a sentence is
    num_finished: Tensor  # (B,) hypotheses
    best: Tensor  # (B,N) their best scores, highest first


class Turn(NamedTuple):
    """What is found of C candidates when each hypothesis has read one more token, best first."""

    tokens: Tensor  # (B,C)
    parents: Tensor  # (B,C) the hypothesis that each goes on with
    scores: Tensor  # (B,C)
    ends: Tensor  # (B,C) whether it is a hypothesis that has finished
    live: Tensor  # (B,K) the candidates that live on
    log_p: Tensor  # (B,K) of these
    state: Any  # (B,K,...) of the parents
    done: Tensor  # (B,)
    num_finished: Tensor  # (B,)
    best: Tensor  # (B,N)


Length = int | Tensor
Take = Callable[[Beam, Any, Length], Turn]
Record = Callable[[Take, Any], Take]


class Search(NamedTuple):
    """How candidates are chosen, and the ids that mean something to it."""

    beam: int
    length_penalty: float
    pad: int
    bos: int
    eos: int


def beam_search(
    step: Step[State, Memory],
    memory: Memory,
    state: State,
    *,
    beam: int,
    max_length: Tensor | int,
    length_penalty: float,
    n_best: int,
    pad: int,
    bos: int,
    eos: int,
    record: Record | None = None,
) -> list[list[Hypothesis]]:
    """The `n_best` best hypotheses found for each of B sentences, best first, all different.

    `step(tokens (B,K), state, memory)` gives the logits of the next token (B,K,V) and the next
    state. `memory` and `state` are NamedTuples of batch-first tensors and, behind the first, of
    tuples of such: memory (B,...) is what all hypotheses of a sentence share; state (B,K,...)
    belongs to each and starts with K = 1. K grows to `beam` with the second step. Both lose the
    rows of sentences that are done.

    A hypothesis has at most `max_length` (B,) tokens before its eos; there eos is the only choice
    left. Its score is log P(Y|X) / lp(Y), with eos counted in both (see `length_norm`).

    At each step the candidates are all continuations of the K live hypotheses. Those among the
    best K that end in eos are finished; the K best of the others live on. A sentence is done when
    K hypotheses have finished and no live one is better now than the n-best of them, or earlier,
    when no live one can still become so: log P only falls, and lp grows at most to that of
    `max_length`. With a beam of one
    this is the greedy loop. Equal candidates are ordered by parent, then by token id.

    `record(take, how)` may give back what does the same as `take`, all that a step does with the
    device alone; `how` is what it depends on beside its arguments.
    """
    assert 1 <= n_best <= beam, "n_best hypotheses need a beam as wide"
    assert length_penalty >= 0, "the bound that ends a search early needs α ≥ 0"
    first = memory[0]
    assert isinstance(first, Tensor)
    num_sentences, device = len(first), first.device
    finished: list[list[Hypothesis]] = [[] for _ in range(num_sentences)]
    how = Search(beam, length_penalty, pad, bos, eos)
    take: Take = partial(turn, step, how)
    take = record(take, how) if record else take

    # A row for each sentence that is not done, see `living`; all of these lose rows together.
    sentence = torch.arange(num_sentences, device=device)  # (B,)
    ids = sentence.new_empty(num_sentences, 1, 0)  # (B,K,T)
    now = Beam(
        tokens=sentence.new_full((num_sentences, 1), bos),
        log_p=torch.zeros(num_sentences, 1, device=device),
        state=state,
        limit=torch.as_tensor(max_length, device=device).expand(num_sentences),
        done=torch.zeros_like(sentence, dtype=torch.bool),
        num_finished=torch.zeros_like(sentence),
        best=torch.full((num_sentences, n_best), -torch.inf, device=device),
    )

    for length in count(1):  # of the hypotheses that end at this step, eos included
        found = take(now, memory, length)
        ended = row, _ = found.ends.nonzero(as_tuple=True)  # rows and ranks of E candidates, (E,)
        if len(row):
            numbers, values = sentence[row].tolist(), found.scores[ended].tolist()
            pieces = ids[row, found.parents[ended]].tolist()  # (E,T)
            for number, hypothesis in zip(numbers, map(Hypothesis, pieces, values), strict=True):
                finished[number].append(hypothesis)

        rows = living(found.done)  # (B',1)
        if len(rows) == 0:
            break
        live = found.live[rows[:, 0]]  # (B',K)
        tokens, parents = found.tokens[rows, live], found.parents[rows, live]  # (B',K)
        ids = torch.cat([ids[rows, parents], tokens.unsqueeze(2)], 2)  # (B',K,T+1)
        state = select(found.state, (rows, parents))
        of_sentences = found.log_p, now.limit, found.done, found.num_finished, found.best
        if len(rows) < num_sentences:
            (row,) = rows.T
            memory, sentence = select(memory, row), sentence[row]
            of_sentences = (one[row] for one in of_sentences)
            num_sentences = len(rows)
        log_p, *others = of_sentences
        now = Beam(tokens, log_p, state, *others)

    assert all(finished), "a sentence has no hypothesis: are the logits finite?"
    return [sorted(found, key=lambda h: h.score, reverse=True)[:n_best] for found in finished]


def turn(step: Step[Any, Any], how: Search, now: Beam, memory: Any, length: Length) -> Turn:
    """Read one more token of each hypothesis and find what becomes of it.

    `length`, a number or a tensor (), is of the hypotheses that end now, eos included.
    """
    beam, alpha, pad, bos, eos = how
    logits, state = step(now.tokens, now.state, memory)  # (B,K,V)
    at_limit = now.limit < length  # (B,)
    log_p, parents, tokens = candidates(
        logits, now.log_p, at_limit, num=2 * beam, pad=pad, bos=bos, eos=eos
    )  # (B,C) each

    ends = (tokens == eos) & log_p.isfinite() & ~now.done.unsqueeze(1)  # (B,C)
    ends[:, beam:] = False
    scores = log_p / length_norm(length, alpha)  # (B,C)
    num_finished = now.num_finished + ends.sum(1)
    num_best = now.best.size(1)
    best = torch.cat([now.best, scores.masked_fill(~ends, -torch.inf)], 1).topk(num_best).values

    log_p, live = log_p.masked_fill(tokens == eos, -torch.inf).sort(descending=True, stable=True)
    log_p, live = log_p[:, :beam], live[:, :beam]  # (B,K)
    reachable = log_p[:, 0] / length_norm(now.limit + 1, alpha)  # (B,)
    highest_now = log_p[:, 0] / length_norm(length, alpha)  # (B,)
    full = (num_finished >= beam) & (best[:, -1] >= highest_now)  # (B,)
    done = now.done | full | (best[:, -1] >= reachable) | at_limit
    return Turn(tokens, parents, scores, ends, live, log_p, state, done, num_finished, best)


def living(done: Tensor) -> Tensor:
    """The rows (B',1) to go on with, of those where sentences are done (B,).

    A GPU has hardly less to do for a few rows less: there half of the rows go when half of the
    sentences are done, and half of them again.
    """
    if not wants_shapes_again(done.device):
        return (~done).nonzero()
    size, num_living = len(done), int((~done).sum())
    while size and num_living <= size // 2:
        size //= 2
    if size == len(done):
        return torch.arange(size, device=done.device).unsqueeze(1)
    return done.int().argsort(stable=True)[:size].unsqueeze(1)  # those that are not done first


def wants_shapes_again(device: torch.device) -> bool:
    """Whether a device does best what has shapes of before, as a GPU does; see `Recorder`."""
    return device.type == "cuda"


def candidates(
    logits: Tensor, log_p: Tensor, at_limit: Tensor, *, num: int, pad: int, bos: int, eos: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The `num` most probable continuations: log P, parent and token, (B,C) each, best first.

    `logits` (B,K,V) of any float type are normalized in float32 over the whole vocabulary. What
    cannot be has log P = -inf: pad and bos, and in the rows of `at_limit` (B,) all but eos. C is
    `num`, or less where there are not so many.

    A CPU takes a few sentences at a time, so that their probabilities stay in its cache.
    """
    size = max(1, CACHED // logits[0].numel()) if logits.device.type == "cpu" else len(logits)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for some, so_far in zip(logits.split(size), log_p.split(size), strict=True):
        log_token = some.log_softmax(2, dtype=torch.float32)  # (b,K,V)
        end = log_token[:, :, eos] + so_far  # (b,K): a candidate of its own
        for special in (pad, bos, eos):
            log_token[:, :, special] = -torch.inf
        found.append((*highest(log_token, so_far, num), end))
    top, place, end = (torch.cat(parts) for parts in zip(*found, strict=True))  # (B,C) (B,C) (B,K)

    # Sorted by place first: a stable sort by log P then keeps that order among equals.
    _, num_parents, vocabulary = logits.shape
    ends = torch.arange(num_parents, device=logits.device) * vocabulary + eos  # (K,)
    place, order = torch.cat([place, ends.expand_as(end)], 1).sort()  # (B,C+K)
    top = torch.cat([top.masked_fill(at_limit.unsqueeze(1), -torch.inf), end], 1).gather(1, order)
    log_p, order = top.sort(descending=True, stable=True)
    log_p, place = log_p[:, :num], place.gather(1, order[:, :num])
    return log_p, place // vocabulary, place % vocabulary


def highest(values: Tensor, added: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """The `num` highest values (B,K,V) + added (B,K) of each row: (B,C), and their places in K·V.

    They lie in the `num` blocks with the highest maxima, or behind the last whole block. A CPU
    finds maxima at the speed of memory, and `topk` among all takes several times as long.
    """
    _, several, size = values.shape
    blocks = size // BLOCK
    if several * blocks <= num:
        flat, place = (values + added.unsqueeze(2)).flatten(1).sort(descending=True, stable=True)
        return flat[:, :num], place[:, :num]
    maxima = values[:, :, : blocks * BLOCK].unflatten(2, (blocks, BLOCK)).amax(3)
    block = (maxima + added.unsqueeze(2)).flatten(1).topk(num).indices  # (B,num) of K·blocks
    start = block // blocks * size + block % blocks * BLOCK
    inside = start.unsqueeze(2) + torch.arange(BLOCK, device=values.device)  # (B,num,BLOCK)
    row = torch.arange(several, device=values.device).unsqueeze(1) * size
    behind = row + torch.arange(blocks * BLOCK, size, device=values.device)  # (K,size % BLOCK)
    places = torch.cat([inside.flatten(1), behind.flatten().expand(len(values), -1)], 1)
    found, index = (values.flatten(1).gather(1, places) + added.gather(1, places // size)).topk(num)
    return found, places.gather(1, index)


def length_norm(length: Tensor | int, alpha: float) -> Tensor | float:
    """lp(Y) = (5 + |Y|)^α / (5 + 1)^α (Wu et al. 2016, eq. 14); |Y| counts eos."""
    return ((5 + length) / 6) ** alpha


def select(tensors: Tensors, index: Tensor | tuple[Tensor, Tensor]) -> Tensors:
    """The same NamedTuple with these rows (B',), or these hypotheses (B',1), (B',K'), alone."""

    def chosen(one: Tensor) -> Tensor:
        if isinstance(index, Tensor):
            return one.index_select(0, index)
        row, place = index
        flat = row * one.shape[1] + place  # (B',K') among all hypotheses
        return one.flatten(0, 1).index_select(0, flat.flatten()).unflatten(0, flat.shape)

    def all_chosen(part: Part) -> Part:
        return tuple(map(chosen, part)) if isinstance(part, tuple) else chosen(part)

    return type(tensors)(*map(all_chosen, tensors))
