"""Laws that every model keeps, whatever it is made of, and the padded batch they are tried on."""

from copy import copy

import torch

from nmt.laws.model import (
    BOS,
    EOS,
    LAWS,
    LENGTHS,
    TARGET_VOCABULARY,
    B,
    Case,
    K,
    S,
    T,
    decode,
    sources,
    targets,
)

__all__ = ["BOS", "EOS", "LENGTHS", "B", "Case", "K", "S", "T", "decode", "sources", "targets"]


class ModelLaws:
    """What holds for every case; a test class of a module with the fixture `case` inherits it."""

    def test_laws(self, case):
        """One after the other, each on a batch of its own: to build a case takes longer."""
        for law in LAWS:
            own = copy(case)
            own.source, own.target = case.source.clone(), case.target.clone()
            torch.default_generator.manual_seed(0)
            law(own)


def gradients_reach_every_parameter(case: Case) -> None:
    logits = case.model.train()(case.source, case.target)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in case.model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def bfloat16_is_float32_but_for_rounding(case: Case, atol: float) -> None:
    model = case.model.float()
    exact = model(case.source, case.target)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model(case.source, case.target)
        stepped = decode(model, case.source, case.target)
    (coarse.float() * torch.randn(B, T, TARGET_VOCABULARY)).sum().backward()
    torch.testing.assert_close(coarse.float(), exact, atol=atol, rtol=0.0)
    torch.testing.assert_close(stepped.float(), exact, atol=atol, rtol=0.0)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
