"""Who multiplies float32 matrices on a CPU, and that it makes no difference but in time."""

import pytest
import torch
from model_laws import sources, targets
from small_model import small_rnn, small_transformer
from torch.nn import functional as F

from nmt import products
from nmt.products import allow_onednn, by_onednn, exact, leaves_mkl_slow
from nmt.training.runtime import prepare_process

AVX512 = {"avx2", "avx512f", "avx512_bf16"}


@pytest.mark.parametrize(
    ("maker", "flags", "slow"),
    [
        ("AuthenticAMD", AVX512, True),
        ("AuthenticAMD", {"avx2"}, False),  # torch does not ask oneDNN there
        ("AuthenticAMD", AVX512 | {"amx_bf16"}, False),  # where oneDNN rounds
        ("GenuineIntel", AVX512, False),
        ("", set(), False),
    ],
)
def test_mkl_is_slow_on_the_avx512_of_others_than_intel(maker, flags, slow, monkeypatch):
    monkeypatch.setattr(products, "cpu_line", lambda name: maker)
    monkeypatch.setattr(products, "cpu_flags", lambda: flags)
    assert leaves_mkl_slow() is slow


def test_products_in_float32_are_exact():
    assert exact()


def test_products_in_bf16_are_not():
    with torch.autocast("cpu", torch.bfloat16):
        assert not exact()


@pytest.mark.parametrize(("slow", "rounds"), [(False, False), (True, True)])
def test_onednn_is_not_asked_where_it_need_not_or_must_not_be(slow, rounds, monkeypatch):
    before = torch.backends.mkldnn.matmul.fp32_precision
    monkeypatch.setattr(products, "leaves_mkl_slow", lambda: slow)
    monkeypatch.setattr(products, "exact", lambda: not rounds)
    allow_onednn()
    assert not by_onednn()
    assert torch.backends.mkldnn.matmul.fp32_precision == before


@pytest.mark.skipif(not leaves_mkl_slow(), reason="MKL is as fast on this processor")
def test_a_process_is_prepared_for_float32_on_a_cpu():
    prepare_process(torch.device("cuda"))
    assert not by_onednn()
    prepare_process(torch.device("cpu"))
    assert by_onednn()


@pytest.mark.skipif(not leaves_mkl_slow(), reason="MKL is as fast on this processor")
@pytest.mark.parametrize("build", [small_rnn, small_transformer])
def test_losses_and_gradients_are_those_of_mkl(build):
    model, source, target = build().eval(), sources(), targets()

    def computed() -> list[torch.Tensor]:
        logits = model(source, target)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        return [loss, *torch.autograd.grad(loss, list(model.parameters()))]

    by_mkl = computed()
    allow_onednn()
    assert by_onednn()
    torch.testing.assert_close(computed(), by_mkl, rtol=1e-4, atol=1e-6)
