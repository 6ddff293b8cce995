"""Laws that hold for every score, normalizer, window, number of heads and of hops."""

from copy import deepcopy

import pytest
import torch
from choices import HISTORIC, HISTORIC_NORMALIZERS, choose, goes_with, names, pairs
from torch import nn
from torch.nn import functional as F

from nmt.attention.attend import Attend
from nmt.attention.attention import record_attention
from nmt.attention.build import build_attention
from nmt.attention.heads import MultiHead
from nmt.attention.hops import Hops
from nmt.attention.mask import causal_mask, padding_mask
from nmt.attention.mix import NoMix
from nmt.attention.none import FixedContext
from nmt.attention.normalize import Softmax
from nmt.attention.scaled_dot import ScaledDot
from nmt.attention.sink import NoSink
from nmt.attention.window import Full
from nmt.errors import UserError
from nmt.laws import case as laws
from nmt.laws.attention import LAWS
from nmt.laws.case import KEY, LENGTHS, QUERY, VALUE, B, S, T
from nmt.laws.score import LAWS as SCORE_LAWS

SCORES = [name for name in names("attention") if name != "none"]
ALIKE = {"cosine", "luong_dot", "scaled_dot"}  # scores that need query and key of one width


def build(
    score, normalize="softmax", window="full", heads=1, hops=1, widths=None, mix="none", **options
) -> Attend:
    """In float64; the window cuts within S keys, and location has a row too little for them."""
    widths = widths or (QUERY, QUERY if score in ALIKE and heads == 1 else KEY, VALUE)
    attend = build_attention(
        *widths,
        score=choose("attention", score, max_positions=6, width=9, scale=2.0),
        normalize=choose("normalize", normalize),
        window=choose("window", window, radius=2),
        gate=choose("gate", "rms" if normalize == "relu" else "none"),
        mix=choose("mix", mix),
        heads=heads,
        hops=hops,
        in_turn=True,
        **options,
    )
    return attend.double().eval()


class Case(laws.Case):
    """One combination, and a padded batch for it."""

    def __init__(self, score, normalize, window, heads, hops, key_heads=None, mix="none"):
        key_width = QUERY if score in ALIKE and heads == 1 else KEY

        def make(*widths: int) -> Attend:
            return build(score, normalize, window, heads, hops, widths, mix, key_heads=key_heads)

        super().__init__(make, key_width)


HEADS = [(1, 1, None), (3, 2, 1), (3, 1, None), (6, 1, 2)]  # heads, hops, heads of keys
# Every score with the softmax, and every normalizer with a score of each shape.
KINDS = [(score, "softmax") for score in SCORES]
KINDS += [(score, one) for score in ("luong_dot", "bahdanau") for one in names("normalize")]


def goes_together(kind: tuple[str, str], window: str, times: tuple, mix: str) -> bool:
    """Fixed patterns want several heads; a history, and places alone, one look.

    Six heads are one wide, where a cosine is 1 or -1 and has no gradient.
    """
    heads, hops, _ = times
    if kind[0] == "cosine" and heads == QUERY:
        return False
    once = kind[0] in (*HISTORIC, "gaussian") or kind[1] in HISTORIC_NORMALIZERS
    mixes = {"none": True, "talking_heads": heads > 1, "differential": heads < 6}[mix]
    mixes = mixes and (mix == "none" or kind[1] not in HISTORIC_NORMALIZERS)
    fits = heads > 1 and mix == "none" if window == "fixed" else mixes
    return goes_with(kind[1], window) and fits and (hops == 1 or not once)


@pytest.fixture(
    params=pairs(
        *(dict.fromkeys(KINDS), names("window"), HEADS, names("mix")),
        valid=goes_together,
    ),
    ids=lambda choice: "{}-{}-{}".format("-".join(choice[0]), *choice[1:]),
)
def case(request) -> Case:
    (score, normalize), window, times, mix = request.param
    return Case(score, normalize, window, *times, mix)


# The laws


def test_laws(case):
    for law in LAWS:
        law(deepcopy(case))


@pytest.mark.parametrize("score", SCORES)
def test_laws_of_scores(score):
    case = Case(score, "softmax", "full", 2, 1)
    for law in SCORE_LAWS:
        law(deepcopy(case).inner.score)


@pytest.mark.parametrize(
    # recorded: the plain road; not: the fast one, for the scores that have it
    ("score", "heads", "recorded", "padded"),
    pairs(SCORES, (1, 2), (False, True), (False, True)),
)
def test_causal_is_the_causal_mask(score, heads, recorded, padded):
    torch.manual_seed(2)
    attend = build(score, heads=heads, widths=(QUERY, QUERY, VALUE))
    x = torch.randn(B, S, QUERY, dtype=torch.float64)
    memory = attend.remember(x, x[..., :VALUE])
    seen = (torch.arange(S) < torch.tensor(LENGTHS)[:, None])[:, None] if padded else None
    both = causal_mask(S) if seen is None else causal_mask(S) & seen
    with record_attention(attend if recorded else nn.Identity()):
        causal = attend(x, *memory, seen, torch.arange(S), causal=True)
        masked = attend(x, *memory, both, torch.arange(S))
    torch.testing.assert_close(causal, masked)


@pytest.mark.parametrize("score", ["bahdanau", "scaled_dot"])  # the plain road, the fast road
def test_dropout_drops_weights_in_training_alone(score):
    case = Case(score, "softmax", "full", 1, 1)
    without, weights = case(), case.weights()[0]
    case.attend.dropout = 0.5
    torch.testing.assert_close(case(), without)
    case.attend.train()
    torch.testing.assert_close(case.weights()[0], weights)  # on record: those before dropout
    assert not torch.allclose(case(), without)
    torch.manual_seed(4)
    drawn = torch.stack([case() for _ in range(500)])
    error = drawn.std(0) / len(drawn) ** 0.5  # of the mean
    assert ((drawn.mean(0) - without).abs() < 5 * error + 1e-6).all()


# References


def test_scaled_dot_is_that_of_torch():
    case = Case("scaled_dot", "softmax", "full", 1, 1)
    torch.testing.assert_close(
        case(), F.scaled_dot_product_attention(case.query, case.keys, case.values, case.mask)
    )


def test_heads_are_those_of_torch():
    case = Case("scaled_dot", "softmax", "full", 3, 1)
    ours = case.attend
    assert isinstance(ours, MultiHead)
    theirs = nn.MultiheadAttention(
        QUERY, 3, bias=False, kdim=KEY, vdim=VALUE, batch_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        theirs.q_proj_weight.copy_(ours.W_Q.weight)
        theirs.k_proj_weight.copy_(ours.W_K.weight)
        theirs.v_proj_weight.copy_(ours.W_V.weight)
        theirs.out_proj.weight.copy_(ours.W_O.weight)
    context, weights = theirs(
        case.query, case.keys, case.values, ~case.mask[:, 0], average_attn_weights=False
    )
    torch.testing.assert_close(case(), context)
    torch.testing.assert_close(case.weights()[0], weights)


@pytest.mark.parametrize("score", SCORES)
def test_tied_keys_and_values_are_two_matrices_of_the_same_numbers(score):
    if score in ("luong_location", "gaussian"):
        with pytest.raises(UserError, match=r"tie_keys_values=true .* does not read the keys"):
            build(score, heads=2, widths=(QUERY, KEY, KEY), tie_keys_values=True)
        return
    case = Case(score, "softmax", "full", 2, 1)
    tied = build(score, heads=2, widths=(QUERY, KEY, KEY), tie_keys_values=True)
    apart = build(score, heads=2, widths=(QUERY, KEY, KEY))
    matrices = {name for name, _ in apart.named_parameters()}
    assert {name for name, _ in tied.named_parameters()} == matrices - {"W_V.weight"}
    state = tied.state_dict()
    apart.load_state_dict({**state, "W_V.weight": state["W_K.weight"]})
    for values in (case.keys, case.keys.flip(1)):  # K = V, and values of another memory
        case.values = values
        case.attend = tied
        found = case()
        case.attend = apart
        torch.testing.assert_close(found, case())


@pytest.mark.parametrize("key_heads", [1, 2, 6])
@pytest.mark.parametrize("score", SCORES)
def test_heads_that_share_keys_are_those_whose_matrices_are_alike(score, key_heads):
    """Shazeer 2019, and Ainslie et al. 2023: neighbours share; and their memory is as small."""
    case = Case(score, "softmax", "full", 6, 1, key_heads)
    grouped, found, weights = case.attend, case(), case.weights()[0]
    assert all(part.shape[1] == key_heads for part in grouped.remember(case.keys, case.values))
    state = grouped.state_dict()
    for name in {"W_K.weight", "W_V.weight"} & state.keys():  # (G·K,D), K = 1
        state[name] = state[name].repeat_interleave(6 // key_heads, 0)
    case.attend = build(score, heads=6, widths=(QUERY, KEY, VALUE))
    case.attend.load_state_dict(state)
    torch.testing.assert_close(found, case())
    torch.testing.assert_close(weights, case.weights()[0])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("trains", [False, True])
def test_heads_that_share_keys_take_the_kernel_that_knows_it(trains, causal, kernel_calls):
    case = Case("scaled_dot", "softmax", "full", 6, 1, 2)
    memory = case.attend.remember(case.keys[:, :T], case.values[:, :T])
    with torch.set_grad_enabled(trains):
        case.attend(case.query, *memory, None, case.position, causal)
    assert [named["enable_gqa"] for _, named in kernel_calls] == [True]


class HalfDot(ScaledDot):
    def forward(self, query, keys):
        return super().forward(query, keys) / 2


class Sharp(Softmax):
    def forward(self, scores, query=None):
        return super().forward(3 * scores)


class LastKey(Full):
    def forward(self, normalize, scores, query, position):
        return super().forward(normalize, scores, query, position).roll(1, -1)


class Leak(NoSink):
    def scores(self, score, query):
        return query.new_zeros(*query.shape[:-1], 1)


class Twice(NoMix):
    def before(self, scores):
        return 2 * scores


class DotOfHalves(ScaledDot):
    def place(self, query):
        return super().place(query) / 2


@pytest.mark.parametrize(
    ("part", "kind", "fused"),
    [
        ("score", HalfDot, False),
        ("normalize", Sharp, False),
        ("window", LastKey, False),
        ("sink", Leak, False),
        ("mix", Twice, False),
        ("score", DotOfHalves, True),  # the kernel gets what `place` returns
        ("score", ScaledDot, True),
    ],
)
def test_the_kernel_replaces_no_subclass_that_computes_something_else(
    part, kind, fused, kernel_calls
):
    usual = {"score": ScaledDot, "normalize": Softmax, "window": Full}
    case = laws.Case(lambda *widths: build_attention(*widths, **{**usual, part: kind}))
    plain = build_attention(QUERY, QUERY, VALUE, **usual).double()
    case.mask = torch.ones_like(case.mask)
    contexts = case()
    assert len(kernel_calls) == fused
    torch.testing.assert_close(case.weights()[0] @ case.values, contexts)
    expected = plain(case.query, case.keys, case.values, case.mask, case.position)
    assert torch.allclose(contexts, expected) == (kind is ScaledDot)


def test_hops_are_the_recurrence_written_out():
    case = Case("bahdanau", "softmax", "full", 1, 3)
    assert isinstance(case.attend, Hops)
    once, W = case.attend.attend, case.attend.W
    memory = once.remember(case.keys, case.values)
    u = case.query
    for _ in range(2):
        o = once(u, *memory, case.mask, case.position)
        u = u + W(o)
    torch.testing.assert_close(case(), once(u, *memory, case.mask, case.position))
    assert len(case.weights()) == 3


@pytest.mark.parametrize("score", SCORES)
def test_a_soft_cap_bends_the_scores_and_leaves_what_is_out_of_reach(score):
    case = Case(score, "softmax", "full", 1, 1)
    memory = case.attend.remember(case.keys, case.values)
    scores = case.attend.score(case.query, memory[0])
    capped = torch.where(scores > -torch.inf, 0.7 * (scores / 0.7).tanh(), -torch.inf)
    case.attend.soft_cap = 0.7
    if case.attend.bias is None:
        hidden = capped.masked_fill(~case.mask, -torch.inf)
        torch.testing.assert_close(case(), hidden.softmax(-1) @ case.values)
    assert case.weights()[0].isfinite().all()


# Recording


def test_record_names_every_attention_by_its_path_and_ends_with_its_block():
    model = nn.ModuleDict({"self": build("bahdanau"), "cross": build("scaled_dot", heads=2)})
    other = build("luong_general")
    query, key = torch.randn(B, T, QUERY).double(), torch.randn(B, S, KEY).double()
    values, mask = torch.randn(B, S, VALUE).double(), torch.ones(1, S, dtype=torch.bool)

    def look(attend: nn.Module) -> None:
        attend(query, *attend.remember(key, values), mask, torch.arange(T))

    with record_attention(model) as weights:
        look(model["cross"])
        look(model["self"])
        look(model["self"])
        look(other)
    look(model["self"])
    assert {name: [tuple(w.shape) for w in ws] for name, ws in weights.items()} == {
        "self": [(B, T, S), (B, T, S)],
        "cross.attention": [(B, 2, T, S)],
    }
    assert not weights["self"][0].requires_grad


def test_record_ends_where_the_block_fails():
    attend = build("bahdanau")
    with pytest.raises(ZeroDivisionError), record_attention(attend) as weights:
        raise ZeroDivisionError
    query, key = torch.randn(B, T, QUERY).double(), torch.randn(B, S, KEY).double()
    attend(query, *attend.remember(key, key), torch.ones(1, S, dtype=torch.bool), torch.arange(T))
    assert weights == {"": []}


# No attention


def test_none_gives_its_one_slot_to_every_query():
    attend = build("none")
    assert isinstance(attend, FixedContext)
    assert attend.one_slot
    assert not build("bahdanau").one_slot
    summary = torch.randn(B, 1, VALUE)
    memory = attend.remember(summary, summary)
    mask = torch.ones(B, 1, 1, dtype=torch.bool)
    with record_attention(attend) as weights:
        context = attend(torch.randn(B, T, QUERY), *memory, mask, torch.arange(T))
    torch.testing.assert_close(context, summary.expand(B, T, VALUE))
    assert weights == {}


# Refusals


@pytest.mark.parametrize("score", SCORES)
def test_scores_that_multiply_query_and_key_refuse_unequal_widths(score):
    if score not in ALIKE:
        build(score, widths=(QUERY, KEY, VALUE))
        return
    with pytest.raises(UserError, match=rf"width {QUERY} .* {KEY}\. .*luong_general.*model\.heads"):
        build(score, widths=(QUERY, KEY, VALUE))
    build(score, widths=(QUERY, KEY, VALUE), heads=2)


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"score": "bahdanau", "heads": 4}, r"model\.heads=4 .* width 6"),
        ({"score": "bahdanau", "heads": 0}, r"model\.heads=0"),
        ({"score": "bahdanau", "hops": 0}, r"model\.hops=0"),
        ({"score": "none", "heads": 2}, r"model\.heads=2 .* attention=none"),
        ({"score": "none", "hops": 2}, r"model\.hops=2 .* attention=none"),
        ({"score": "none", "tie_keys_values": True}, r"tie_keys_values=true .* attention=none"),
        ({"score": "none", "key_heads": 1}, r"key_heads=1 .* attention=none"),
        ({"score": "bahdanau", "key_heads": 1}, r"key_heads=1 does not apply to model\.heads=1"),
        (
            {"score": "bahdanau", "heads": 6, "key_heads": 4},
            r"key_heads=4 does not divide model\.heads=6, .* Choose one of 1, 2, 3, 6",
        ),
        ({"score": "bahdanau", "heads": 2, "key_heads": 0}, r"key_heads=0 does not divide"),
        ({"score": "gaussian", "hops": 2}, r"hops=2 does not apply to Gaussian"),
        ({"score": "none", "soft_cap": 1.0}, r"soft_cap=1.0 .* attention=none"),
        ({"score": "bahdanau", "soft_cap": 0.0}, r"soft_cap=0.0: must be above 0"),
        ({"score": "none", "normalize": "hard"}, r"normalize= .* attention=none"),
        ({"score": "none", "window": "local_m"}, r"window= .* attention=none"),
    ],
)
def test_choices_without_meaning_are_refused_with_the_reason(choice, reason):
    with pytest.raises(UserError, match=reason):
        build(**choice)


# Masks


def test_masks_say_who_may_look_at_what():
    assert padding_mask(torch.tensor([[5, 3, 0], [7, 9, 3]])).tolist() == [
        [True, True, False],
        [True, True, True],
    ]
    assert causal_mask(3).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
