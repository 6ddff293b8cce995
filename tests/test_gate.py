"""Gates: against the formulas, in both kinds of models, and where they do not apply."""

from itertools import product

import pytest
import torch
from choices import choose, names
from model_laws import Case, ModelLaws, gradients_reach_every_parameter, sources, targets
from small_model import small_rnn, small_transformer
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.gate import Gate
from nmt.attention.head_gate import L0Gate
from nmt.batches.batch import Batch
from nmt.errors import UserError
from nmt.models.open_heads import in_words, num_open, open_heads
from nmt.models.seq2seq import Kind
from nmt.training.loss import batch_loss, total
from nmt.training.penalized import with_penalties

H, D, K, T = 2, 6, 3, 4
GATES = [name for name in names("gate") if name != "none"]
MODELS = {
    "transformer": small_transformer,
    "rnn": small_rnn,
    "heads": lambda **parts: small_rnn(heads=2, **parts),
    "bahdanau": lambda **parts: small_rnn(order="bahdanau", hops=2, **parts),
    "self": lambda **parts: small_rnn(
        heads=2, encoder_self_attention=True, decoder_self_attention=True, **parts
    ),
}
CHOICES = [{"gate": gate} for gate in GATES] + [{"gate": "rms", "normalize": "relu"}]


def draw(module: nn.Module) -> None:
    """Every parameter at random, as after some training."""
    for parameter in module.parameters():
        nn.init.normal_(parameter)


@pytest.fixture(
    params=product(MODELS, CHOICES), ids=lambda p: "-".join([p[0], *map(str, p[1].values())])
)
def case(request) -> Case:
    kind, choice = request.param
    torch.manual_seed(1)
    model = MODELS[kind](**choice).double().eval()
    for module in model.modules():
        if isinstance(module, Gate):
            draw(module)
    return Case(model)


class TestGates(ModelLaws):
    """The laws of models, with every gate."""


def test_gradients_reach_every_parameter(case):
    if not any(isinstance(part, L0Gate) for part in case.model.modules()):  # where heads are closed
        gradients_reach_every_parameter(case)


def found_and_query() -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return torch.randn(H, T, K, dtype=torch.float64), torch.randn(T, D, dtype=torch.float64)


def made(name: str, **values) -> Gate:
    torch.manual_seed(3)
    gate = choose("gate", name, **values)(H, D, K).double()
    draw(gate)
    return gate.eval()


def test_sigmoid_opens_each_number_by_the_query():
    gate, (found, query) = made("sigmoid"), found_and_query()
    given = gate(found, query)
    for h, t, k in product(range(H), range(T), range(K)):
        opened = (gate.W_g.weight[h * K + k] @ query[t]).sigmoid()
        torch.testing.assert_close(given[h, t, k], found[h, t, k] * opened)


@pytest.mark.parametrize("gated", [False, True])
def test_rms_has_each_head_in_one_scale(gated):
    gate, (found, query) = made("rms", gated=gated), found_and_query()
    given = gate(found, query)
    for h, t in product(range(H), range(T)):
        y = found[h, t]
        expected = y / (sum(y**2) / K + 1e-6) ** 0.5 * gate.g[h, 0]
        if gated:
            expected = expected * (gate.w[h, 0] * y).sigmoid()
        torch.testing.assert_close(given[h, t], expected)
    nothing = gate(torch.zeros_like(found).requires_grad_(), query)
    nothing.sum().backward()
    assert not nothing.any(), "a head that is off stays off"


def test_none_is_the_very_tensor():
    found, query = found_and_query()
    assert made("none")(found, query) is found


def test_l0_draws_the_hard_concrete_and_its_price_is_the_probability_to_be_open():
    """Louizos et al. 2018: P(g > 0) by counting; the formula of what is drawn by its own u."""
    gate, (found, query) = made("l0", weight=0.5, speed=1.0), found_and_query()
    gate.log_alpha.data[:, 0, 0] = torch.tensor([-1.0, 1.5])
    gate.train()
    torch.manual_seed(5)
    given = gate(found, query)
    torch.manual_seed(5)
    u = torch.rand(H, 1, 1, dtype=torch.float64)
    s = 1 / (1 + (-((u / (1 - u)).log() + gate.log_alpha) / (2 / 3)).exp())
    torch.testing.assert_close(given, found * (s * 1.2 - 0.1).clamp(0, 1))
    drawn = torch.stack([gate.drawn().flatten() for _ in range(4000)])
    assert (drawn.min(), drawn.max()) == (0, 1)
    share = (drawn > 0).double().mean(0).sum()
    torch.testing.assert_close(gate.penalty() / 0.5, share, atol=0.04, rtol=0)


def test_l0_moves_its_gates_faster_than_adam_moves_weights():
    """One step of Adam, whose size is the learning rate, moves log α ten times as far."""
    gate = choose("gate", "l0")(H, D, K)
    optimizer = torch.optim.Adam(gate.parameters(), lr=2e-3)
    gate.penalty().backward()
    optimizer.step()
    torch.testing.assert_close(gate.log_odds(), torch.full((H, 1, 1), 2.0 - 10 * 2e-3))


def test_a_closed_head_gives_exactly_nothing_and_is_counted():
    torch.manual_seed(1)
    model = small_transformer(gate="l0").eval()
    gates = [part for part in model.modules() if isinstance(part, L0Gate)]
    gates[0].log_alpha.data[1] = -3.0
    found, query = torch.randn(3, T, 4), torch.randn(T, 12)
    given = gates[0](found, query)
    assert not given[1].any()
    assert given[0].all()
    heads = open_heads(model)
    assert heads[Kind.ENCODER][0][1] == 0
    assert num_open(heads[Kind.ENCODER]) == 5
    assert "source-target 9/9 (3 3 3), encoder self 5/6 (2 3)" in in_words(heads)
    assert open_heads(small_rnn()) == {}


@pytest.mark.parametrize("make", [small_transformer, lambda **parts: small_rnn(hops=2, **parts)])
def test_the_loss_has_the_price_of_every_piece_once(make):
    model = make(gate="l0").eval()
    target = targets()
    target[0, 3:] = 0
    batch = Batch(sources(), target)
    loss = with_penalties(batch_loss, model)
    plain, whole = batch_loss(model, batch, 0.1), loss(model, batch, 0.1)
    gates = [part for part in model.modules() if isinstance(part, L0Gate)]
    expected = sum(gate.penalty() for gate in gates) * batch.num_pieces
    torch.testing.assert_close(whole.penalty, expected)
    torch.testing.assert_close(whole.objective, plain.objective + expected)
    whole.objective.backward()
    assert all(gate.log_alpha.grad.all() for gate in gates)
    assert total([whole, whole]).penalty == 2 * whole.penalty.double()
    assert with_penalties(batch_loss, make()) is batch_loss


def test_what_has_no_meaning_is_refused():
    with pytest.raises(UserError, match="normalize=relu has weights of any size"):
        small_rnn(normalize="relu", gate="sigmoid")
    with pytest.raises(UserError, match="gate= other than none does not apply to attention=none"):
        small_rnn(gate="rms", attention="none")


def test_a_gate_stands_before_the_heads_are_mixed():
    widths = (D, D, D)
    parts = {"score": ("attention", "scaled_dot"), "gate": ("gate", "sigmoid")}
    parts |= {"normalize": ("normalize", "softmax"), "window": ("window", "full")}
    made = {part: choose(*choice) for part, choice in parts.items()}
    attend = build_attention(*widths, heads=H, **made).double()
    query = torch.randn(1, T, D, dtype=torch.float64)
    memory, place = attend.remember(query, query), torch.arange(T)
    with torch.no_grad():
        attend.gate.W_g.weight.fill_(-1e9)
        assert attend(query.abs(), *memory, None, place).abs().max() == 0, "closed"
