"""Products with weights that are laid out once are those that torch computes."""

import pytest
import torch
from choices import names
from model_laws import decode, sources, targets
from small_model import small_rnn, small_transformer
from torch import nn

from nmt.hardware import products as hardware
from nmt.hardware.products import Multipliers
from nmt.hardware.runtime import autocast, computes_bf16
from nmt.models.packed import pack, packed, products

CPU = torch.device("cpu")
MODELS = {
    "transformer": small_transformer,
    "rope": lambda: small_transformer(positions="rope", feed_forward="swiglu"),
    **{cell: lambda cell=cell: small_rnn(cell=cell) for cell in names("cell")},
    **{order: lambda order=order: small_rnn(order=order) for order in names("order")},
}
PRECISIONS = [
    torch.float32,
    pytest.param(
        torch.bfloat16,
        marks=pytest.mark.skipif(not computes_bf16(CPU), reason="does not support bf16"),
    ),
]


@pytest.fixture(autouse=True)
def _packing_pays(monkeypatch):
    monkeypatch.setattr(hardware, "multipliers", lambda: Multipliers(packed=True))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_model_computes_what_it_did(build, precision):
    model, source, target = build().eval(), sources(), targets()
    before = {name: set(vars(one)) for name, one in model.named_modules()}
    with torch.inference_mode(), autocast(CPU, precision):
        plain = decode(model, source, target)
        with packed(model, precision):
            changed = [one for one in model.modules() if "forward" in vars(one)]
            assert len(changed) == sum(isinstance(one, nn.Linear) for one in model.modules())
            found = decode(model, source, target)
    near = {"rtol": 1e-4, "atol": 1e-5} if precision == torch.float32 else {"rtol": 0, "atol": 0.05}
    assert found.dtype is plain.dtype is precision
    torch.testing.assert_close(found, plain, **near)
    assert {name: set(vars(one)) for name, one in model.named_modules()} == before


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(7,), (0,), (2, 3), (3, 1), (2, 0), (2, 1, 3), (700,)])
def test_any_number_of_rows(shape, precision):
    linear, x = nn.Linear(5, 9), torch.randn(*shape, 5)
    with torch.inference_mode(), autocast(CPU, precision):
        plain, found = linear(x), pack(linear.weight, linear.bias, precision)(x)
    assert found.shape == (*shape, 9)
    assert found.dtype is plain.dtype is precision
    torch.testing.assert_close(found, plain)


def test_an_error_leaves_the_model_as_it_was():
    model = small_rnn()
    with pytest.raises(ZeroDivisionError), packed(model, torch.float32):
        1 / 0  # noqa: B018
    assert not any(method in vars(one) for one, method, _, _ in products(model))


def test_a_block_in_a_block_leaves_the_outer_one_whole():
    model = nn.Linear(3, 4)
    with packed(model, torch.float32):
        outer = model.forward
        with packed(model, torch.float32):
            assert model.forward is outer
        assert model.forward is outer


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_weights_that_are_not_in_float32_stay(dtype):
    model = nn.Linear(3, 4).to(dtype)
    with packed(model, torch.float32):
        assert "forward" not in vars(model)


def test_nothing_is_packed_where_that_is_not_faster(monkeypatch):
    monkeypatch.setattr(hardware, "multipliers", Multipliers)
    model = nn.Linear(3, 4)
    with packed(model, torch.float32):
        assert "forward" not in vars(model)
