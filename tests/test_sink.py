"""Sinks: against the formula, in both kinds of models, and where they do not apply."""

from itertools import product

import pytest
import torch
from choices import choose, names, pairs
from small_model import small_rnn, small_transformer
from torch import Tensor

from nmt.attention.attention import Attention, record_attention
from nmt.errors import UserError

B, T, S, WIDTH = 2, 3, 5, 4
SCORES = [name for name in names("attention") if name != "none"]
PLACES = ("luong_location", "gaussian")  # scores that read no keys
SINKS = [name for name in names("sink") if name != "none"]


def attention(sink: str, score: str, normalize: str, window: str) -> Attention:
    """In float64, every parameter of the sink at random."""
    torch.manual_seed(1)
    makes = choose("sink", sink)
    built = Attention(
        WIDTH,
        WIDTH,
        WIDTH,
        score=choose("attention", score),
        normalize=choose("normalize", normalize),
        window=choose("window", window, radius=1),
        sink=lambda score, width: makes(1, score, width),
    ).double()
    built.eval()
    for parameter in built.sink.parameters():
        torch.nn.init.normal_(parameter)
    return built


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Query (B,T,D), keys (B,S,D) and a mask (B,1,S) of two lengths."""
    torch.manual_seed(2)
    mask = (torch.arange(S) < torch.tensor([S, 3])[:, None])[:, None]
    query, keys = (torch.randn(B, n, WIDTH, dtype=torch.float64) for n in (T, S))
    return query, keys, mask


@pytest.mark.parametrize(
    ("sink", "score", "normalize"),
    pairs(
        *(SINKS, SCORES, names("normalize")),
        valid=lambda sink, score, _: sink != "key" or score not in PLACES,
    ),
)
def test_a_sink_is_weighed_beside_the_keys(sink, score, normalize):
    """One query after the other, by the formula."""
    attend = attention(sink, score, normalize, "full")
    query, keys, mask = batch()
    memory = attend.remember(keys, keys)
    with record_attention(attend) as recorded:
        context = attend(query, *memory, mask, torch.arange(T))
    (weights,) = recorded[""]
    value = attend.sink.value[0, 0] if sink == "key" else torch.zeros(WIDTH)
    for b, t in product(range(B), range(T)):
        seen = int(mask[b].sum())
        one = query[b : b + 1, t : t + 1]
        scores = attend.score(one, memory[0][b : b + 1])[0, 0, :seen]
        if sink == "zero":
            own = torch.zeros(1)
        elif sink == "logit":
            own = attend.sink.logit.view(1)
        else:
            own = attend.score(one, attend.score.prepare(attend.sink.key)).view(1)
        both = attend.normalize(torch.cat([scores, own.double()])[None, None], query=one)
        *of_keys, of_sink = both.flatten().unbind()
        expected = torch.stack(of_keys) @ keys[b, :seen] + of_sink * value
        torch.testing.assert_close(weights[b, t, :seen], torch.stack(of_keys).detach())
        torch.testing.assert_close(context[b, t], expected)
    assert not attend.normalize.sums_to_one or (weights.sum(-1) <= 1 + 1e-9).all()


@pytest.mark.parametrize("window", [name for name in names("window") if name != "fixed"])
def test_no_window_reaches_a_sink(window):
    attend = attention("logit", "luong_dot", "softmax", window)
    query, keys, mask = batch()
    attend.sink.logit.data.fill_(1e4)
    with record_attention(attend) as recorded:
        attend(query, *attend.remember(keys, keys), mask, torch.arange(T))
    assert recorded[""][0].max() == 0, "all of the weight is on the sink"


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("small", [small_rnn, small_transformer])
def test_a_model_with_a_sink_decodes_as_it_trains(small, sink):
    torch.manual_seed(3)
    model = small(sink=sink, **({"heads": 2} if small is small_rnn else {})).double().eval()
    found = [p for name, p in model.named_parameters() if ".sink." in name]
    for parameter in found:
        torch.nn.init.normal_(parameter)
    source, target = torch.randint(4, 20, (2, 6)), torch.randint(4, 20, (2, 4))
    source[1, 4:] = 0
    whole = model.features(source, target)
    memory = model.encode(source)
    state = model.start(memory)
    for place in range(target.size(1)):
        step, state = model.step_features(target[:, place : place + 1], state, memory)
        torch.testing.assert_close(step[:, 0], whole[:, place])
    whole.sum().backward()
    assert bool(found) == (sink != "zero")
    assert all(p.grad is not None and p.grad.isfinite().all() for p in found)
    assert not found or any(p.grad.any() for p in found)


@pytest.mark.parametrize("normalize", ["softpick", "sigmoid", "relu"])
def test_a_learned_score_that_starts_at_0_learns_nothing_beside_what_refuses_it(normalize):
    attend = attention("logit", "luong_dot", normalize, "full")
    attend.sink.logit.data.zero_()
    query, keys, mask = batch()
    attend(query, *attend.remember(keys, keys), mask, torch.arange(T)).square().sum().backward()
    assert not attend.normalize.yields
    assert attend.sink.logit.grad is None or not attend.sink.logit.grad.any()


def test_what_has_no_meaning_is_refused():
    with pytest.raises(UserError, match="LuongLocation reads no keys: choose sink=logit"):
        small_rnn(sink="key", attention="luong_location")
    with pytest.raises(UserError, match="sink= other than none does not apply to attention=none"):
        small_rnn(sink="zero", attention="none")
