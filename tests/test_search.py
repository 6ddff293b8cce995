"""Beam search against exhaustive search, a greedy loop and transition matrices."""

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from nmt.decoding.candidates import MostProbable
from nmt.decoding.length import Power, Wu
from nmt.decoding.search import Hypothesis, beam_search, select

PAD, UNK, BOS, EOS, A, B, C = range(7)


class Matrix(NamedTuple):
    """The memory of a model that looks at the last token alone."""

    logits: Tensor  # (B,V,V), by last and next token


class Trace(NamedTuple):
    """The state: the tokens read so far, to see that every hypothesis keeps its own past."""

    read: Tensor  # (B,K,T)


def start(num: int) -> Trace:
    return Trace(torch.empty(num, 1, 0, dtype=torch.long))


def markov(tokens: Tensor, state: Trace, memory: Matrix) -> tuple[Tensor, Trace]:
    """P(next | last), by the matrix of each sentence."""
    rows = torch.arange(len(tokens)).unsqueeze(1)
    return memory.logits[rows, tokens], Trace(torch.cat([state.read, tokens.unsqueeze(2)], 2))


def whole_past(tokens: Tensor, state: Trace, memory: Matrix) -> tuple[Tensor, Trace]:
    """P(next | all before): the last token's row, changed by what the state has read."""
    logits, state = markov(tokens, state, memory)
    place = torch.arange(1, state.read.shape[2] + 1)
    past = (state.read * place).sum(2, keepdim=True)  # (B,K,1)
    return logits + torch.sin(past * torch.arange(1, logits.shape[2] + 1)), state


def random_memory(num: int, vocabulary: int = 7, seed: int = 0) -> Matrix:
    generator = torch.Generator().manual_seed(seed)
    return Matrix(2 * torch.randn(num, vocabulary, vocabulary, generator=generator))


def search(step, memory, **options) -> list[list[Hypothesis]]:
    given = {"beam": 5, "max_length": 4, "length_penalty": 0.0, "n_best": 1} | options
    norm = Wu(given.pop("length_penalty"))
    choose = MostProbable(2 * given["beam"], PAD, BOS, EOS)
    found = beam_search(
        step,
        memory,
        start(len(memory[0])),
        **given,
        length_norm=norm,
        bos=BOS,
        eos=EOS,
        choose=choose,
    )
    return [hypotheses[: given["n_best"]] for hypotheses in found]


def log_p(step, memory: Matrix, sentence: int, ids: tuple[int, ...]) -> float:
    """log P of the tokens and eos, by forced steps on this sentence alone."""
    state, total = start(1), 0.0
    one = Matrix(memory.logits[sentence : sentence + 1])
    for token, target in itertools.pairwise([BOS, *ids, EOS]):
        logits, state = step(torch.tensor([[token]]), state, one)
        total += logits[0, 0].log_softmax(0)[target].item()
    return total


def exhaustive(step, memory, sentence, max_length, alpha) -> list[Hypothesis]:
    """Every hypothesis there is, best first."""
    allowed = [v for v in range(memory.logits.shape[1]) if v not in (PAD, BOS, EOS)]
    found = [
        Hypothesis(
            list(ids), log_p(step, memory, sentence, ids) / ((5 + len(ids) + 1) / 6) ** alpha
        )
        for length in range(max_length + 1)
        for ids in itertools.product(allowed, repeat=length)
    ]
    return sorted(found, key=lambda h: h.score, reverse=True)


def matrix(**rows: dict[int, float]) -> Matrix:
    """One sentence with the given probabilities; a row that is not given ends at once."""
    p = torch.zeros(1, 7, 7)
    p[:, :, EOS] = 1
    for last, following in rows.items():
        p[0, {"bos": BOS, "a": A, "b": B, "c": C}[last]] = 0
        for token, probability in following.items():
            p[0, {"bos": BOS, "a": A, "b": B, "c": C}[last], token] = probability
    return Matrix(p.log())


def test_beam_finds_what_greedy_misses():
    """Greedy takes A (0.6) and ends at 0.6·0.4; the better A-less way is B: 0.4·0.9."""
    memory = matrix(bos={A: 0.6, B: 0.4}, a={EOS: 0.4, A: 0.3, B: 0.3}, b={EOS: 0.9, A: 0.1})
    assert search(markov, memory, beam=1)[0][0].ids == [A]
    (best,) = search(markov, memory, beam=2)[0]
    assert best.ids == [B]
    assert best.score == pytest.approx(math.log(0.4 * 0.9))


def test_length_penalty_prefers_the_longer():
    """log P is log 0.4 for A and log 0.3 for B C; |Y| is 2 and 3 with eos."""
    memory = matrix(bos={A: 0.4, B: 0.6}, a={EOS: 1}, b={C: 0.5, EOS: 0.5}, c={EOS: 1.0})
    short, long = math.log(0.4), math.log(0.3)
    plain = search(markov, memory, n_best=3)[0]
    assert [h.ids for h in plain] == [[A], [B], [B, C]]
    assert plain[0].score == pytest.approx(short)
    longer = search(markov, memory, n_best=3, length_penalty=3.0)[0]
    assert longer[0].ids == [B, C]
    assert longer[0].score == pytest.approx(long / (8 / 6) ** 3)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("step", [markov, whole_past])
def test_wide_beam_is_exhaustive(step, alpha):
    """With room for every hypothesis the n-best are those of brute force, in its order."""
    memory, max_length = random_memory(3), 3
    found = search(step, memory, beam=400, max_length=max_length, length_penalty=alpha, n_best=11)
    for sentence, hypotheses in enumerate(found):
        truth = exhaustive(step, memory, sentence, max_length, alpha)[:11]
        assert [h.ids for h in hypotheses] == [h.ids for h in truth]
        for hypothesis, true in zip(hypotheses, truth, strict=True):
            assert hypothesis.score == pytest.approx(true.score, abs=1e-5)


def test_fewer_hypotheses_than_n_best():
    """Without any token to choose, only the empty hypothesis and those of unk exist."""
    memory = random_memory(2, vocabulary=4)
    found = search(markov, memory, beam=5, n_best=5, max_length=2)
    for hypotheses in found:
        assert sorted(h.ids for h in hypotheses) == [[], [UNK], [UNK, UNK]]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_beam_of_one_is_the_greedy_loop(alpha):
    memory, max_length = random_memory(11, seed=3), 7
    found = search(whole_past, memory, beam=1, max_length=max_length, length_penalty=alpha)
    for sentence, (hypothesis,) in enumerate(found):
        one, state, ids, token = Matrix(memory.logits[[sentence]]), start(1), [], BOS
        while len(ids) < max_length:
            logits, state = whole_past(torch.tensor([[token]]), state, one)
            logits[..., [PAD, BOS]] = -torch.inf
            token = int(logits.argmax())
            if token == EOS:
                break
            ids.append(token)
        assert hypothesis.ids == ids
        score = log_p(whole_past, memory, sentence, tuple(ids)) / ((5 + len(ids) + 1) / 6) ** alpha
        assert hypothesis.score == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_sentence_alone_is_a_sentence_in_a_batch(alpha):
    """Sentences end at different steps and leave the batch; nobody's result depends on it."""
    memory, limits = random_memory(13, vocabulary=11, seed=5), torch.arange(13) % 5 + 2
    options = {"beam": 3, "n_best": 3, "length_penalty": alpha}
    rows_seen = []

    def step(tokens, state, memory):
        rows_seen.append(len(tokens))
        assert len(state.read) == len(memory.logits) == len(tokens)
        return whole_past(tokens, state, memory)

    together = search(step, memory, max_length=limits, **options)
    assert rows_seen[0] == 13 > rows_seen[-1], "finished sentences left the batch"
    for sentence, limit in enumerate(limits):
        alone = Matrix(memory.logits[[sentence]])
        (found,) = search(whole_past, alone, max_length=int(limit), **options)
        assert [h.ids for h in found] == [h.ids for h in together[sentence]]
        assert [h.score for h in found] == pytest.approx([h.score for h in together[sentence]])


def test_scores_are_those_of_forced_decoding():
    """A hypothesis that took another's state would score something else."""
    memory = random_memory(5, vocabulary=11, seed=7)
    found = search(whole_past, memory, n_best=5, max_length=6, length_penalty=1.0)
    for sentence, hypotheses in enumerate(found):
        for ids, score in hypotheses:
            true = log_p(whole_past, memory, sentence, tuple(ids)) / ((5 + len(ids) + 1) / 6)
            assert score == pytest.approx(true, abs=1e-5)


def test_n_best_is_sorted_and_distinct():
    found = search(whole_past, random_memory(5, vocabulary=11), n_best=5, max_length=6)
    for hypotheses in found:
        scores = [h.score for h in hypotheses]
        assert len(hypotheses) == 5
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.ids) for h in hypotheses}) == 5


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("step", [markov, whole_past])
def test_more_n_best_begin_with_fewer(step, alpha):
    """However many are asked for, it is one search; the case is one where it once was not."""
    memory = Matrix(torch.cat([random_memory(5, 11, seed).logits for seed in range(40)]))
    limits = {"length_penalty": alpha, "max_length": 12}
    fewer, *others = (search(step, memory, n_best=k, **limits) for k in range(1, 6))
    if step is whole_past and alpha == 1:
        assert fewer[5 * 18 + 4][0].ids == [8, 4, 7, 4, 7]
    for more in others:
        for some, all_of_them in zip(fewer, more, strict=True):
            assert len(all_of_them) == len(some) + 1
            assert [h.ids for h in all_of_them[:-1]] == [h.ids for h in some]
            assert [h.score for h in all_of_them[:-1]] == pytest.approx([h.score for h in some])
        fewer = more


def test_specials_are_never_produced():
    """Even where pad and bos are by far the most probable."""
    memory = random_memory(3)
    memory.logits[:, :, [PAD, BOS]] += 50
    for hypotheses in search(markov, memory, n_best=5):
        assert all(not {PAD, BOS, EOS} & set(h.ids) for h in hypotheses)


def test_length_limit_of_each_sentence():
    """Where eos is nearly impossible, every hypothesis is as long as it may be."""
    memory = random_memory(3, vocabulary=11)
    memory.logits[:, :, EOS] -= 50
    found = search(markov, memory, max_length=torch.tensor([2, 0, 5]), n_best=5)
    assert [{len(h.ids) for h in hypotheses} for hypotheses in found] == [{2}, {0}, {5}]


def test_ends_early_when_nothing_can_come_before():
    """After 'A' with 0.97 no other hypothesis can win; the limit of 50 is not waited for."""
    memory = matrix(bos={A: 0.98, B: 0.02}, a={EOS: 0.99, A: 0.01}, b={B: 0.5, C: 0.5}, c={C: 1})
    steps = []

    def step(tokens, state, memory):
        steps.append(tokens)
        return markov(tokens, state, memory)

    (found,) = search(step, memory, max_length=50)
    assert found[0].ids == [A]
    assert len(steps) == 2


def test_waits_for_a_longer_one_that_still_can_come_before():
    """A: log 0.55 / (7/6)³ = -0.38, found first; B C: log 0.45 / (8/6)³ = -0.34, a step later."""
    memory = matrix(bos={A: 0.55, B: 0.45}, b={C: 1})
    (found,) = search(markov, memory, beam=2, length_penalty=3.0)
    assert found[0].ids == [B, C]


def test_as_many_short_ones_as_the_beam_do_not_end_the_search():
    """[] and [A] have finished, at 0.1 and 0.09, while A B C is on its way to 0.73."""
    memory = matrix(bos={A: 0.9, EOS: 0.1}, a={B: 0.9, EOS: 0.1}, b={C: 0.9, EOS: 0.1})
    (found,) = search(markov, memory, beam=2)
    assert found[0].ids == [A, B, C]


def test_greedy_ends_at_the_first_eos():
    """Though A B C, at log 0.4 / (9/6)³ = -0.27, would come before the empty one, log 0.6."""
    memory = matrix(bos={EOS: 0.6, A: 0.4}, a={B: 1}, b={C: 1})
    (found,) = search(markov, memory, beam=1, length_penalty=3.0)
    assert found[0].ids == []


def test_logits_that_are_not_finite_end_in_an_error():
    with pytest.raises(AssertionError, match="finite"):
        search(markov, Matrix(torch.full((1, 7, 7), torch.nan)))


def test_length_norms_are_those_of_wu_and_the_plain_power():
    length = torch.tensor([1, 7])
    assert Wu(0.6)(length).tolist() == pytest.approx([1, 2**0.6])
    assert Power(0.6)(length).tolist() == pytest.approx([1, 7**0.6])
    assert Power(0.0)(length).tolist() == [1, 1]
    assert Wu(0.6) != Power(0.6), "recorded steps are found again by it"


class Parts(NamedTuple):
    """A state with a tensor, and with tensors of several layers."""

    one: Tensor  # (B,K)
    layers: tuple[Tensor, ...]  # (B,K,2) each


def test_hypotheses_are_picked_in_every_part_alike():
    one = torch.arange(6).view(3, 2)
    state = Parts(one, (torch.stack([one, -one], 2), torch.stack([one, one], 2)))
    picked = select(state, torch.tensor([[1, 1, 0], [0, 0, 1], [0, 1, 1]]))
    assert picked.one.tolist() == [[1, 1, 0], [2, 2, 3], [4, 5, 5]]
    assert [layer[..., 0].tolist() for layer in picked.layers] == [picked.one.tolist()] * 2
    rows = select(state, torch.tensor([2, 0]))
    assert rows.one.tolist() == [[4, 5], [0, 1]]
    assert [layer[..., 0].tolist() for layer in rows.layers] == [rows.one.tolist()] * 2
