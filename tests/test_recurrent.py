"""Cells, encoder and bridges against the library's and the papers'."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nmt.models.bridge import Last, Mean, Zero
from nmt.models.encoder import Encoder
from nmt.models.recurrent import GRU, LSTM, Recurrent, gru_cell, lstm_cell

B, S, E, D, F = 3, 7, 5, 4, 6
LENGTHS = torch.tensor([4, 7, 1])
KINDS = {LSTM: nn.LSTM, GRU: nn.GRU}


@pytest.fixture(autouse=True)
def in_float64():
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request) -> type[Recurrent]:
    return request.param


def steps(cell: Recurrent, x: Tensor, feed: Tensor, state: Tensor) -> Tensor:
    """Step through (B,S,E) with the fed-back inputs (B,S,F): the outputs (B,S,D)."""
    outputs = []
    for gates, fed in zip(cell.gates(x).unbind(1), feed.unbind(1), strict=True):
        state = cell.step(gates, fed, state)
        outputs.append(cell.output(state))
    return torch.stack(outputs, 1)


def copied(theirs: nn.Module, *cells: Recurrent) -> nn.Module:
    """A network of torch with the weights of our cells, in the order of its own."""
    ours = [weight for cell in cells for weight in cell.weights]
    with torch.no_grad():
        for weight, other in zip(theirs.parameters(), ours, strict=True):
            weight.copy_(other)
    return theirs


def test_steps_are_the_whole_sequence_and_that_of_torch(kind):
    cell = kind(E, D)
    x, start = torch.randn(B, S, E), torch.randn(B, cell.state_width)
    whole = cell(x, start)
    states = tuple(part[None].contiguous() for part in start.split(D, dim=1))
    theirs = copied(KINDS[kind](E, D, batch_first=True), cell)
    expected, _ = theirs(x, states if kind is LSTM else states[0])
    torch.testing.assert_close(whole, expected)
    torch.testing.assert_close(steps(cell, x, torch.empty(B, S, 0), start), expected)


def test_what_is_fed_back_is_part_of_the_input(kind):
    """A matrix of its own is the same as one matrix over [input; fed back]."""
    cell = kind(E, D, F)
    x, feed, start = torch.randn(B, S, E), torch.randn(B, S, F), torch.zeros(B, cell.state_width)
    theirs = KINDS[kind](E + F, D, batch_first=True)
    assert cell.feed is not None
    weight, *others = cell.weights
    with torch.no_grad():
        joined = [torch.cat([weight, cell.feed.weight], 1), *others]
        for other, mine in zip(theirs.parameters(), joined, strict=True):
            other.copy_(mine)
    expected, _ = theirs(torch.cat([x, feed], 2))
    torch.testing.assert_close(steps(cell, x, feed, start), expected)


def test_an_lstm_remembers_at_first():
    _, _, bias, other = LSTM(E, D).weights
    assert (bias + other).tolist() == [0.0] * D + [1.0] * D + [0.0] * 2 * D


@pytest.mark.parametrize("bidirectional", [True, False])
def test_encoder_is_that_of_torch_on_packed_sentences(kind, bidirectional):
    encoder = Encoder(E, D, 2, bidirectional, kind, dropout=0.0)
    x = torch.randn(B, S, E)
    mask = torch.arange(S) < LENGTHS[:, None]
    states, last = encoder(x, mask)

    theirs = KINDS[kind](E, D, 2, batch_first=True, bidirectional=bidirectional)
    copied(theirs, *(m for m in encoder.modules() if isinstance(m, Recurrent)))
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, final = theirs(packed)
    expected, _ = pad_packed_sequence(outputs, batch_first=True)
    torch.testing.assert_close(states[mask], expected[mask])
    h = final[0] if kind is LSTM else final  # (directions of both layers, B, D)
    torch.testing.assert_close(last, torch.cat([*h[-2:]], 1) if bidirectional else h[-1])


def test_padding_gets_no_gradient(kind):
    x = torch.randn(B, S, E, requires_grad=True)
    mask = torch.arange(S) < LENGTHS[:, None]
    states, last = Encoder(E, D, 2, True, kind, dropout=0.0)(x, mask)
    (states[mask].sum() + last.sum()).backward()
    assert x.grad is not None
    assert not x.grad[~mask].any()
    assert x.grad[mask].any(-1).all()


def test_dropout_is_between_the_layers_of_the_encoder(kind):
    make = partial(Encoder, E, D, bidirectional=True, cell=kind, dropout=0.5)
    x, mask = torch.randn(B, S, E), torch.ones(B, S, dtype=torch.bool)
    one, two = make(num_layers=1), make(num_layers=2)
    torch.testing.assert_close(one(x, mask), one(x, mask))
    assert not torch.equal(two(x, mask).states, two(x, mask).states)
    two.eval()
    torch.testing.assert_close(two(x, mask), two(x, mask))


@pytest.mark.parametrize(("cell", "gates"), [(lstm_cell, 4), (gru_cell, 3)])
def test_a_cell_adds_up_in_float32_what_comes_in_bfloat16(cell, gates):
    """So that what is carried from step to step is not rounded at each."""
    x, last = torch.randn(B, gates * D).bfloat16(), torch.zeros(B, gates * D).bfloat16()
    carried = torch.randn(B, D, dtype=torch.float32)
    found = torch.cat([*cell(x, last, carried)], -1)
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.cat([*cell(x.float(), last.float(), carried)], -1))


def test_bridges_start_from_nothing_the_last_state_or_the_mean():
    states, last = torch.randn(B, S, D), torch.randn(B, D)
    mask = torch.arange(S) < LENGTHS[:, None]
    assert Zero(D, F)(states, last, mask).tolist() == [[0.0] * F] * B
    of_last, of_mean = Last(D, F), Mean(D, F)
    torch.testing.assert_close(of_last(states, last, mask), of_last.linear(last))
    for i, length in enumerate(LENGTHS):
        mean = states[i, :length].mean(0)
        expected = (of_mean.linear.weight @ mean + of_mean.linear.bias).tanh()
        torch.testing.assert_close(of_mean(states, last, mask)[i], expected)
