"""Translations drawn at random: the right distribution, and the same ones whatever is beside."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from command import mistake, nmt
from scipy.stats import chisquare
from test_search import BOS, EOS, PAD, Matrix, random_memory, start, whole_past
from test_steering import PREFIXES, SOURCES, WholePast, repeats

from nmt.api.model import load
from nmt.decoding import steering
from nmt.decoding.decode import Decode
from nmt.decoding.length import Wu
from nmt.decoding.sampling import Distribution, drawn, sample, uniforms
from nmt.decoding.steering import Steered
from nmt.errors import UserError
from nmt.evaluation.score import score_ids

FP32 = ("device=cpu", "precision=fp32")


def by_hand(log_p: list[float], temperature: float, top_k: int, top_p: float) -> list[float]:
    """The probabilities of the pieces by the words of the papers, piece by piece."""
    order = sorted(range(len(log_p)), key=lambda one: -log_p[one])
    weights = [math.exp(one / temperature) for one in log_p]
    kept = order[: top_k or None]
    among = sum(weights[one] for one in kept)
    nucleus, together = [], 0.0
    for one in kept:
        if together >= top_p:
            break
        nucleus.append(one)
        together += weights[one] / among
    among = sum(weights[one] for one in nucleus)
    return [weights[one] / among if one in nucleus else 0.0 for one in range(len(log_p))]


def probabilities(matrix: Matrix, most: int, options: dict[str, float]) -> dict[tuple, float]:
    """P of every hypothesis there is, given what each piece is drawn from."""
    found: dict[tuple[int, ...], float] = {}

    def go_on(ids: tuple[int, ...], p: float) -> None:
        if len(ids) == most:
            found[ids] = p
            return
        state = start(1)
        for token in (BOS, *ids):
            logits, state = whole_past(torch.tensor([[token]]), state, matrix)
        log_p = logits[0, 0].double().log_softmax(0)
        log_p[[PAD, BOS]] = -torch.inf
        for token, share in enumerate(by_hand(log_p.tolist(), **options)):
            if share and token == EOS:
                found[ids] = p * share
            elif share:
                go_on((*ids, token), p * share)

    go_on((), 1.0)
    return found


@pytest.mark.parametrize(
    "options",
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (1.0, 2, 1.0), (1.0, 0, 0.95), (2.0, 4, 0.9)],
    ids=str,
)
def test_samples_are_as_frequent_as_they_are_probable(options):
    """Pearson's chi-square test over all translations of up to two pieces; the draws are fixed."""
    matrix, most, num = Matrix(random_memory(2, seed=5).logits / 2), 2, 3000
    distribution = Distribution(*options)
    step = Steered(WholePast(), 0)
    memory = steering.SteeredMemory(torch.zeros(2, 0).long(), torch.zeros(2).long(), matrix)
    found = sample(
        step,
        memory,
        step.start(memory, start(2)),
        uniform=uniforms(2, [[7], [8]], range(num), most + 1),
        distribution=distribution,
        max_length=torch.tensor([most, most]),
        length_norm=Wu(0),
        bos=BOS,
        eos=EOS,
    )
    for sentence, hypotheses in enumerate(found):
        one = Matrix(matrix.logits[[sentence]])
        truth = probabilities(one, most, distribution._asdict())
        drawn_now = Counter(tuple(one.ids) for one in hypotheses)
        assert drawn_now.keys() <= truth.keys()
        expected = np.array([num * truth[ids] for ids in truth])
        counts = np.array([drawn_now[ids] for ids in truth])
        rare = expected < 5  # the test wants at least five of each: the rare ones are one
        counts = np.array([*counts[~rare], counts[rare].sum()])
        expected = np.array([*expected[~rare], expected[rare].sum()])
        some = expected > 0
        assert not counts[~some].any()
        assert chisquare(counts[some], expected[some]).pvalue > 0.01
        assert len(counts[some]) > 2


def test_a_place_in_the_distribution_is_found_as_by_a_loop():
    torch.manual_seed(1)
    p, place = torch.rand(2, 3, 11), torch.rand(2, 3, dtype=torch.float64)
    p[:, :, [0, 4, 10]] = 0
    place[0] = torch.tensor([0, 0.5, 1 - 2**-53], dtype=torch.float64)
    found = drawn(p, place)
    for row, k in product(range(2), range(3)):
        share = p[row, k].double().cumsum(0)
        token = next(one for one in range(11) if share[one] > place[row, k] * share[-1])
        assert found[row, k] == token
        assert p[row, k, token] > 0


def sampling(**settings) -> Decode:
    return Decode(method="sample", **{"max_ratio": 0.5, **settings})


def test_the_coldest_samples_are_the_greedy_translations(translator):
    greedy = translator(SOURCES, Decode(beam=1, max_ratio=0.5), PREFIXES)
    cold = translator(SOURCES, sampling(temperature=1e-5), PREFIXES)
    one = translator(SOURCES, sampling(top_k=1), PREFIXES)
    few = translator(SOURCES, sampling(top_p=1e-9), PREFIXES)
    for true, *others in zip(greedy, cold, one, few, strict=True):
        for other in others:
            assert other[0].ids == true[0].ids
            assert other[0].score == pytest.approx(true[0].score, rel=1e-4)


def test_neither_batch_nor_order_nor_number_changes_a_sample(translator):
    found = translator(SOURCES, sampling(n_best=3), PREFIXES)
    single = translator(SOURCES, sampling(n_best=3, batch_size=1), PREFIXES)
    turned = translator(SOURCES[::-1], sampling(n_best=3), PREFIXES[::-1])[::-1]
    first = translator(SOURCES, sampling(n_best=1), PREFIXES)
    other = translator(SOURCES, sampling(n_best=3, seed=2), PREFIXES)
    for one, *same in zip(found, single, turned, strict=True):
        assert len({translation.text for translation in one}) == 3
        for again in same:
            assert [t.ids for t in again] == [t.ids for t in one]
            assert [t.score for t in again] == pytest.approx([t.score for t in one], rel=1e-4)
    assert [one[0].ids for one in first] == [one[0].ids for one in found]
    assert [one[0].ids for one in other] != [one[0].ids for one in found]


def test_samples_obey_the_rules_and_have_the_scores_of_the_model(translator):
    rules = sampling(n_best=2, no_repeat_ngram=1, min_length=5, temperature=2.0, top_k=50)
    sources, begun = map(translator.source_tokenizer.encode, (SOURCES, PREFIXES))
    lists = translator(SOURCES, rules, PREFIXES)
    for source, prefix, found in zip(sources, begun, lists, strict=True):
        forced = score_ids(translator, [source] * len(found), [one.ids for one in found])
        for one, log_ps in zip(found, forced, strict=True):
            assert one.ids[: len(prefix)] == prefix
            assert len(one.ids) >= 5
            assert not repeats(one.ids, 1, len(prefix))
            lp = float(Wu(1.0)(torch.tensor(len(log_ps))))
            assert one.score == pytest.approx(log_ps.sum() / lp, rel=1e-4)


def test_where_there_are_not_so_many_different_ones_fewer_are_given(translator):
    (found,) = translator(["Ka"], sampling(n_best=3, top_k=1, max_extra=2))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "beem"}, "decode.method=beem: choose one of beam, sample"),
        ({"temperature": 0}, "decode.temperature=0: must be above 0"),
        ({"top_p": 1.5}, "decode.top_p=1.5: must be above 0 and at most 1"),
        ({"top_p": 0}, "decode.top_p=0: must be above 0 and at most 1"),
        ({"top_k": -1}, "decode.top_k=-1: must be at least 0"),
        ({"seed": -1}, "decode.seed=-1: must be at least 0"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Decode(**{"method": "sample", **wrong})


TEXT = b"eins zwei drei\nvier\n\nsieben sieben eins\n"


def test_the_command_samples_as_python_does(trained):
    words = ("translate", f"run={trained}", "decode=sample", *FP32)
    answer = nmt(*words, "n_best=3", "decode.temperature=0.5", stdin=TEXT)
    assert answer.code == 0, answer.err
    assert answer.out == nmt(*words, "n_best=3", "decode.temperature=0.5", stdin=TEXT).out
    assert answer.out != nmt(*words, "n_best=3", "decode.seed=7", stdin=TEXT).out
    model = load(trained, device="cpu", precision="fp32")
    made = model(TEXT.decode().splitlines(), method="sample", n_best=3, temperature=0.5)
    rows = [
        f"{number}\t{rank}\t{one.score:.4f}\t{one.text}\n"
        for number, best in enumerate(made, start=1)
        for rank, one in enumerate([best, *best.alternatives], start=1)
    ]
    assert answer.out == "".join(rows)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["decode=sample", "decode.beam=3"], "beam=3 has no effect with decode.method=sample"),
        (["decode.temperature=0.5"], "temperature=0.5 has no effect with decode.method=beam"),
        (["decode=greedy", "decode.seed=3"], "seed=3 has no effect with decode.method=beam"),
        (["decode=sampel"], "decode=sampel: no such choice. Did you mean sample?"),
        (["decode=sample", "decode.top_p=2"], "decode.top_p=2.0: must be above 0 and at most 1"),
    ],
)
def test_a_setting_that_does_nothing_is_refused(trained, words, told):
    assert told in mistake(nmt("translate", f"run={trained}", *words, *FP32, stdin=TEXT))


def test_a_training_refuses_what_only_samples_read(tiny):
    words = [word for word in tiny if not word.startswith("hydra")]
    told = mistake(nmt("train", *words, "decode.temperature=0.5"))
    assert "decode.temperature=0.5 has no effect with decode.method=beam" in told
