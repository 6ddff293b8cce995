"""Training does, number by number, what it did when its golden runs were recorded."""

import pytest
import torch
from golden_runs import STEPS, golden, losses, made_with, names

from nmt.hardware.runtime import computes_bf16

# Elsewhere sums have another order. Two threads, and AVX2 or SSE4 in the place of AVX-512, changed
# the losses by 2e-7 of them in fp32. A number in bf16 is right to 4e-3, their sums much closer.
TOLERANCE = {"precision=fp32": 1e-5, "precision=bf16": 1e-3}


@pytest.mark.parametrize("name", names())
def test_the_first_losses_are_those_that_were_recorded(name, tmp_path):
    recorded = golden(name)
    (precision,) = TOLERANCE.keys() & set(recorded["words"])
    if precision == "precision=bf16" and not computes_bf16(torch.device("cpu")):
        pytest.skip("this processor does not multiply in bf16")

    found = losses(recorded["words"], tmp_path)

    assert len(found) == STEPS
    if recorded["made_with"] == made_with():
        assert found == recorded["losses"]
    else:
        assert found == pytest.approx(recorded["losses"], rel=TOLERANCE[precision])


def test_models_of_both_kinds_and_both_precisions_are_recorded():
    words = {word for name in names() for word in golden(name)["words"]}

    assert {"model=rnn", "model=transformer", *TOLERANCE} <= words
