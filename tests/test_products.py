"""Who multiplies on a CPU, of how many rows, and that it makes no difference but in time."""

import pytest
import torch
from model_laws import sources, targets
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn, small_transformer
from test_graphs import gradient
from torch.nn import functional as F

from nmt.batches.batch import Batch
from nmt.hardware import products
from nmt.hardware.products import (
    Linear,
    Multipliers,
    by_onednn,
    exact,
    fused_from,
    fuses,
    multipliers,
    nearest,
    onednn_allowed,
)
from nmt.hardware.runtime import kernels
from nmt.training.consistency import RDrop
from nmt.training.loss import batch_loss

AVX512 = {"avx2", "avx512f", "avx512_bf16"}


@pytest.mark.parametrize(
    ("maker", "flags", "found"),
    [
        ("AuthenticAMD", AVX512, Multipliers(onednn=True, packed=True)),
        ("AuthenticAMD", {"avx2"}, Multipliers(packed=True, fused=512)),
        ("GenuineIntel", AVX512 | {"amx_bf16"}, Multipliers()),
        ("GenuineIntel", {"avx2"}, Multipliers()),  # the nearest of its vendor
        ("", set(), Multipliers()),  # not known, as outside Linux
    ],
)
def test_who_multiplies_is_that_of_the_nearest_processor_measured(maker, flags, found):
    assert nearest(maker, flags) == found


def test_the_fused_kernel_attends_where_it_is_as_fast(monkeypatch):
    monkeypatch.setattr(products, "multipliers", lambda: Multipliers(fused=512))
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"  # not by oneDNN
    assert [fuses(keys, torch.float32) for keys in (511, 512)] == [False, True]
    assert not fuses(512, torch.bfloat16)
    with fused_from(0):
        assert fuses(1, torch.float32)


def test_products_in_float32_are_exact():
    assert exact()


def test_products_in_bf16_are_not():
    with torch.autocast("cpu", torch.bfloat16):
        assert not exact()


@pytest.mark.parametrize(("slow", "rounds"), [(False, False), (True, True)])
def test_onednn_is_not_asked_where_it_need_not_or_must_not_be(slow, rounds, monkeypatch):
    before = torch.backends.mkldnn.matmul.fp32_precision
    monkeypatch.setattr(products, "multipliers", lambda: Multipliers(onednn=slow))
    monkeypatch.setattr(products, "exact", lambda: not rounds)
    products.exact_by_onednn.cache_clear()
    with onednn_allowed():
        assert not by_onednn()
    products.exact_by_onednn.cache_clear()
    assert torch.backends.mkldnn.matmul.fp32_precision == before


@pytest.mark.skipif(not multipliers().onednn, reason="MKL is as fast on this processor")
def test_a_process_is_prepared_for_float32_on_a_cpu():
    with kernels(torch.device("cuda")):
        assert not by_onednn()
    with kernels(torch.device("cpu")):
        assert by_onednn()
    assert not by_onednn()


@pytest.mark.skipif(not multipliers().onednn, reason="MKL is as fast on this processor")
@pytest.mark.parametrize("build", [small_rnn, small_transformer])
def test_losses_and_gradients_are_those_of_mkl(build):
    model, source, target = build().eval(), sources(), targets()

    def computed() -> list[torch.Tensor]:
        logits = model(source, target)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        return [loss, *torch.autograd.grad(loss, list(model.parameters()))]

    by_mkl = computed()
    with onednn_allowed():
        assert by_onednn()
        torch.testing.assert_close(computed(), by_mkl, rtol=1e-4, atol=1e-6)


@pytest.fixture
def by_hand(monkeypatch):
    """Products as where oneDNN multiplies, whoever does; gives how many rows they had."""
    rows: list[int] = []
    plain = F.linear

    def spied(x, *rest):
        rows.append(x.flatten(0, -2).size(0))
        return plain(x, *rest)

    monkeypatch.setattr(products, "is_onednns", lambda dtype: True)
    monkeypatch.setattr(F, "linear", spied)
    return rows


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((41, 25), 1088),  # 1,025: more than MANY, so a multiple of 64
        ((16, 64), 1024),
        ((1300,), 1344),
        ((2100,), 2176),
        ((513,), 544),
        ((511,), 511),
        ((0,), 0),
    ],
)
def test_a_rounded_product_is_the_product(shape, rows, bias, by_hand):
    torch.manual_seed(1)
    layer = Linear(5, 7, bias=bias).double()
    x = torch.randn(*shape, 5, dtype=torch.float64, requires_grad=True)
    given = [x, *layer.parameters()]
    expected = x @ layer.weight.T + (layer.bias if bias else 0)
    weights = torch.randn_like(expected)
    found = layer(x)
    assert by_hand == [rows]
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), given),
        torch.autograd.grad((expected * weights).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_rounded_product_is_of_autocasts_choice(by_hand):
    torch.manual_seed(1)
    layer = Linear(5, 7)
    x = torch.randn(1100, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
        expected = torch.nn.Linear.forward(layer, x)
    assert by_hand == [1152, 1100]
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        *(torch.autograd.grad(y.sum(), [x, *layer.parameters()]) for y in (found, expected)),
        strict=True,
    ):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=2**-7, atol=2**-7)


def test_nothing_is_rounded_without_a_gradient(by_hand):
    with torch.no_grad():
        Linear(5, 7)(torch.randn(1100, 5))
    assert by_hand == [1100]


@pytest.mark.parametrize("loss", [batch_loss, RDrop(weight=1.0)])
def test_a_loss_over_rounded_rows_is_the_loss(loss, by_hand, monkeypatch):
    torch.manual_seed(1)
    model = small_transformer(dropout=0.0).double()
    source = torch.randint(4, SOURCE_VOCABULARY, (30, 4))
    target = torch.randint(4, TARGET_VOCABULARY, (30, 8))
    found = loss(model, Batch(source, target), 0.1)
    of_rounded = gradient(model, found)
    assert {256, 2 * 256} & set(by_hand), "210 pieces, once or twice"
    monkeypatch.setattr(products, "is_onednns", lambda dtype: False)
    expected = loss(model, Batch(source, target), 0.1)
    torch.testing.assert_close(found[:3], expected[:3])
    torch.testing.assert_close(of_rounded, gradient(model, expected))
