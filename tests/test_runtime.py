"""Device, precision, seeds and memory."""

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch

from nmt.commands.errors import in_words
from nmt.errors import UserError
from nmt.hardware import runtime
from nmt.hardware.runtime import (
    autocast,
    forget_peak_memory,
    kernels,
    peak_memory,
    pick_device,
    pick_precision,
    seed_everything,
)

CPU = torch.device("cpu")


def test_an_operator_that_apples_gpu_lacks_is_named_with_the_way_out():
    missing = "The operator 'aten::x' is not currently implemented for the MPS device.\nMore."
    told = in_words(NotImplementedError(missing))
    assert told
    assert told.startswith(
        "device=mps: The operator 'aten::x' is not currently implemented for the MPS device. Use "
        "device=cpu, or set PYTORCH_ENABLE_MPS_FALLBACK=1"
    )


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"


def test_a_device_can_be_named():
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gpu", "device=gpu: choose one of auto, cpu, cuda, mps"),
        ("", "device=: choose one of auto, cpu, cuda, mps"),
        ("cuda:99", "device=cuda:99 cannot be used here: "),
    ],
)
def test_a_device_that_cannot_be_used_is_refused(name, reason):
    with pytest.raises(UserError, match=reason):
        pick_device(name)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx2", "avx512f"}, torch.float32),
        ({"avx2", "avx512_bf16"}, torch.bfloat16),
        ({"amx_bf16"}, torch.bfloat16),
        (set(), torch.float32),
    ],
)
def test_auto_is_bf16_where_the_processor_multiplies_it(flags, expected, monkeypatch):
    monkeypatch.setattr(runtime, "cpu_flags", lambda: flags)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert pick_precision("auto", CPU) is expected
    assert pick_precision("fp32", CPU) is torch.float32
    if expected is torch.bfloat16:
        assert pick_precision("bf16", CPU) is torch.bfloat16
    else:
        with pytest.raises(UserError, match="precision=bf16: this processor"):
            pick_precision("bf16", CPU)


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="precision=fp8: choose one of auto, bf16, fp32"):
        pick_precision("fp8", CPU)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_products_are_computed_in_the_precision(precision):
    x = torch.randn(3, 5)
    with autocast(CPU, precision):
        assert (x @ x.mT).dtype is precision


def test_a_seed_decides_what_is_drawn():
    drawn = []
    for seed in (7, 7, 8):
        seed_everything(seed, CPU, deterministic=False)
        drawn.append(torch.rand(5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_kernels_whose_result_varies_can_be_refused(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        seed_everything(1, CPU, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8", "cuBLAS refuses without"
    finally:
        seed_everything(1, CPU, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_gpu_has_other_kernels_as_long_as_a_model_computes(monkeypatch):
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext(chosen.append(device)))
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn

    def state() -> list[bool]:
        flags = cuda.cudnn_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled()
        return [*flags, cuda.matmul.allow_tf32, cudnn.allow_tf32]

    before = state()
    assert before == [True, True, True, False, True], "torch's defaults"
    with kernels(torch.device("cuda")):
        assert state() == [False, False, True, False, False]
        assert not chosen
        with kernels(torch.device("cuda:1")):
            assert chosen == [torch.device("cuda:1")]
        assert state() == [False, False, True, False, False]
    assert state() == before


def test_float32_on_a_gpu_is_float32_in_training_and_in_translation():
    """cuDNN's LSTM and GRU round to TF32 unless they are told not to."""
    gpu = torch.device("cuda")
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    try:
        for backend in backends:
            backend.allow_tf32 = True
        with kernels(gpu):  # all that a translation calls
            seed_everything(1, gpu, deterministic=False)  # and a training
            assert [backend.allow_tf32 for backend in backends] == [False, False]
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
            assert torch.backends.cudnn.rnn.fp32_precision != "tf32"
            assert torch.get_float32_matmul_precision() == "highest", "what torch.compile asks"
    finally:
        for backend, was in zip(backends, (False, True), strict=True):  # torch's defaults
            backend.allow_tf32 = was


SHAPES = """
import ctypes, torch
from nmt.hardware.process import set_environment

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]

{bound}
info = ctypes.CDLL(None).mallinfo2
info.restype = Info
weight = torch.randn(64, 64, dtype=torch.bfloat16)
for rows in range(1, 601):
    torch.nn.functional.linear(torch.randn(rows, 64, dtype=torch.bfloat16), weight)
    if rows == 300:
        before = info().h
print(info().h - before)
"""


def memory_for_300_more_shapes(bound: str) -> int:
    """Bytes in use by the C library's allocator."""
    words = [sys.executable, "-c", SHAPES.format(bound=bound)]
    answer = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(answer.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc for its memory")
def test_memory_does_not_grow_with_the_number_of_shapes():
    unbound = memory_for_300_more_shapes("")
    if unbound < 2**24:
        pytest.skip("this processor's kernels keep no memory")
    assert memory_for_300_more_shapes("set_environment()") < unbound / 10


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system does not forget a peak"
)
def test_the_peak_of_an_earlier_run_is_not_that_of_a_later_one():
    size = 300 * 2**20
    forget_peak_memory(CPU)
    before = peak_memory(CPU)
    block = torch.ones(size // 4)
    assert peak_memory(CPU) >= before + 0.9 * size
    del block

    forget_peak_memory(CPU)

    assert peak_memory(CPU) < before + 0.2 * size
