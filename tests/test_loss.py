"""The chunked loss against the library's."""

import pytest
import torch
from loss_laws import cross_entropy, half_is_for_products, hold_rows
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from nmt.attention.mask import PAD
from nmt.batches.batch import Batch
from nmt.training.loss import batch_loss
from nmt.training.rows import rows_in_one_pass, rows_in_place

N, R, V = 11, 5, 13
CHUNKS = [3, 11, 1024]  # of rows: several and a rest, one that is full, one that is not


@pytest.fixture(params=CHUNKS)
def chunk(request, monkeypatch) -> None:
    hold_rows(monkeypatch, request.param)


def leaves() -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return tuple(torch.randn(shape, requires_grad=True) for shape in ((N, R), (V, R), (V,)))


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_cross_entropy_of_torch_with_its_gradients(smoothing):
    x, weight, bias = leaves()
    target = torch.randint(V, (N,))
    smoothed, likelihood = cross_entropy(x, weight, bias, target, smoothing)
    logits = F.linear(x, weight, bias)
    expected = F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(smoothed, expected)
    torch.testing.assert_close(likelihood, F.cross_entropy(logits, target, reduction="sum"))
    assert not likelihood.requires_grad

    ours = torch.autograd.grad(3 * smoothed, (x, weight, bias))
    theirs = torch.autograd.grad(3 * expected, (x, weight, bias))
    for gradient, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, other)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("rows", [rows_in_place, rows_in_one_pass])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_among_the_pieces_adds_nothing(smoothing, rows):
    x, weight, bias = leaves()
    target = torch.randint(V, (N,))
    target[[2, 3, 9]] = PAD
    real = target != PAD
    found = cross_entropy(x, weight, bias, target, smoothing, padding=True, rows=rows)
    expected = cross_entropy(x[real], weight, bias, target[real], smoothing)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found[0], (x, weight, bias))
    theirs = torch.autograd.grad(expected[0], (x, weight, bias))
    for gradient, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, other)
    with torch.no_grad():
        told = cross_entropy(x, weight, bias, target, smoothing, padding=True, rows=rows)
    torch.testing.assert_close(told, expected)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("padding", [False, True])
def test_one_pass_over_the_logits_finds_what_several_find(padding, kind):
    logits = torch.randn(N, V).to(kind)
    bias, labels = torch.randn(V), torch.randint(V, (N, 1))
    found: list[tuple[Tensor, ...]] = []
    for rows in (rows_in_place, rows_in_one_pass):
        given = logits.clone()
        found.append((*rows(given[None], bias, labels, 0.1, padding), given))
    torch.testing.assert_close(found[0][0], found[1][0])
    coarse = {"rtol": 0.01, "atol": 0.02} if kind == torch.bfloat16 else {}
    torch.testing.assert_close(found[0][1], found[1][1], **coarse)
    torch.testing.assert_close(found[0][2], found[1][2], **coarse)


@pytest.mark.usefixtures("chunk")
def test_bfloat16_is_for_the_products_alone():
    x, weight, bias = leaves()
    target = torch.randint(V, (N,))

    def loss(*tensors: Tensor) -> Tensor:
        return cross_entropy(*tensors, target, 0.1)[0]

    half_is_for_products(loss, (x, weight, bias), rtol=0.01, gradient_rtol=0.0, gradient_atol=0.05)


@pytest.mark.parametrize("certain", [0.0, 60.0, 1e4])
def test_it_stands_whatever_the_model_is_sure_of(certain):
    """The sum of exponentials is found again at the largest logit, where nothing is lost."""
    x, weight, bias = (leaf.detach() for leaf in leaves())
    bias[7] += certain
    for target in (torch.full((N,), 7), torch.full((N,), 2)):
        _, likelihood = cross_entropy(x, weight, bias, target, 0.0)
        exact = F.linear(x.double(), weight.double(), bias.double())
        expected = F.cross_entropy(exact, target, reduction="sum").float()
        torch.testing.assert_close(likelihood, expected, rtol=1e-5, atol=1e-5)


def batch() -> Batch:
    torch.manual_seed(2)
    source = torch.randint(4, SOURCE_VOCABULARY, (3, 7))
    target = torch.randint(4, TARGET_VOCABULARY, (3, 6))
    target[1, 4:] = target[2, 2:] = PAD
    return Batch(source, target)


def test_padding_is_no_part_of_the_loss():
    model = small_rnn(dropout=0.0)
    whole = batch()
    loss = batch_loss(model, whole, smoothing=0.1)
    sentences = [
        Batch(whole.source[i : i + 1], whole.target[i : i + 1, :length])
        for i, length in enumerate((6, 4, 2))
    ]
    assert whole.num_pieces == sum(one.num_pieces for one in sentences) == 5 + 3 + 1
    alone = [batch_loss(model, one, smoothing=0.1) for one in sentences]
    torch.testing.assert_close(loss.smoothed, sum(one.smoothed for one in alone))
    torch.testing.assert_close(loss.likelihood, sum(one.likelihood for one in alone))


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_of_the_model_are_those_of_its_logits(tied):
    model = small_rnn(dropout=0.0, tie_output=tied, readout_width=None)
    whole = batch()
    batch_loss(model, whole, smoothing=0.1).smoothed.backward()
    ours = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    logits = model(whole.source, whole.target[:, :-1])
    F.cross_entropy(
        logits.flatten(0, 1),
        whole.target[:, 1:].flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=0.1,
    ).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("silence", [torch.no_grad, torch.inference_mode])
def test_gradients_are_not_computed_where_nobody_asks(silence):
    x, weight, bias = leaves()
    with silence(), FlopCounterMode(display=False) as counter:
        cross_entropy(x, weight, bias, torch.randint(V, (N,)), 0.1)
    assert counter.get_total_flops() == 2 * N * R * V  # the logits alone
