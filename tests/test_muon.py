"""Muon beside AdamW: each has its parameters, and both go on where they stood."""

import copy

import pytest
import torch
from command import nmt
from small_model import small_rnn, small_transformer
from torch import nn

from nmt.errors import UserError
from nmt.runs.checkpoint import load_optimizer, optimizer_tensors
from nmt.training import muon
from nmt.training.later import asks_itself
from nmt.training.muon import Muon, is_matrix

SETTINGS = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-8}
MODELS = {"rnn": small_rnn, "transformer": small_transformer}


def new_model(name: str) -> nn.Module:
    torch.manual_seed(3)
    return MODELS[name](source_vocabulary=11, target_vocabulary=13)


def give_gradients(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("name", MODELS)
def test_matrices_of_layers_have_muon_and_all_else_adamw(name, monkeypatch):
    """As two optimizers of torch would, each on its own."""
    monkeypatch.setattr(muon, "computes_bf16", lambda _: True)  # as torch's does everywhere
    model, twin = new_model(name), new_model(name)
    ours = Muon(model.named_parameters(), **SETTINGS)
    matrices = [p for n, p in twin.named_parameters() if is_matrix(n, p)]
    others = [p for n, p in twin.named_parameters() if not is_matrix(n, p)]
    assert matrices
    assert not any(p.ndim == 2 and p.size(0) in (11, 13) for p in matrices)  # no vocabulary
    assert all(
        p.ndim < 2 or p.size(0) in (11, 13) or 1 in p.shape or "position" in n
        for n, p in twin.named_parameters()
        if not is_matrix(n, p)
    )
    theirs = [
        torch.optim.Muon(
            matrices, lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=0.02, betas=(0.8, 0.95), eps=1e-8, weight_decay=0.1),
    ]
    for seed, rate in ((1, 0.02), (2, 0.005)):  # a schedule sets the rate of all groups
        for optimizer in (ours, *theirs):
            for group in optimizer.param_groups:
                group["lr"] = rate
        give_gradients(model, seed)
        give_gradients(twin, seed)
        ours.step()
        for optimizer in theirs:
            optimizer.step()
    for one, other in zip(weights(model), weights(twin), strict=True):
        # A number moves by about 0.02, of which the last bits of bf16 are these.
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


def test_a_single_row_is_not_a_matrix():
    """Made orthogonal, a row would have the same length at every step."""
    named = small_rnn(window="local_p").decoder.attend.window.named_parameters(prefix="decoder")
    assert {name: is_matrix(name, p) for name, p in named} == {
        "decoder.W.weight": True,
        "decoder.v.weight": False,
    }


@pytest.mark.parametrize("halves", [True, False])
@pytest.mark.parametrize("shape", [(7, 7), (5, 11), (11, 5)])
def test_an_orthogonal_matrix_keeps_vectors_and_not_values(shape, halves, monkeypatch):
    monkeypatch.setattr(muon, "computes_bf16", lambda _: halves)
    torch.manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(3, *shape), full_matrices=False)
    values = torch.logspace(-0.5, 0.5, min(shape))
    found = muon.orthogonal(u * values @ v)
    assert found.dtype == (torch.bfloat16 if halves else torch.float32)
    mixed = u.mT @ found.float() @ v.mT  # (3,N,N): found in these vectors
    off = mixed - torch.diag_embed(mixed.diagonal(dim1=1, dim2=2))
    assert off.abs().max() < (0.05 if halves else 1e-4)
    assert mixed.diagonal(dim1=1, dim2=2).min() > 0.6
    assert mixed.diagonal(dim1=1, dim2=2).max() < 1.3


@pytest.mark.parametrize("name", MODELS)
def test_an_update_that_is_not_finite_changes_nothing(name):
    """The device decides it, as in the fused optimizers of torch."""
    model = new_model(name)
    optimizer = Muon(model.named_parameters(), **SETTINGS, fused=True)
    assert asks_itself(optimizer)
    give_gradients(model, 1)
    optimizer.found_inf = torch.tensor(0.0)
    optimizer.step()
    before, state = weights(model), [t.clone() for t in optimizer_tensors(optimizer).values()]
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    optimizer.found_inf = torch.tensor(1.0)
    optimizer.step()
    after = [*weights(model), *optimizer_tensors(optimizer).values()]
    for one, other in zip([*before, *state], after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_it_does_what_it_does_without_being_asked():
    model, twin = new_model("transformer"), new_model("transformer")
    for one, fused in ((model, True), (twin, None)):
        optimizer = Muon(one.named_parameters(), **SETTINGS, fused=fused)
        give_gradients(one, 1)
        if fused:
            optimizer.found_inf = torch.tensor(0.0)
        optimizer.step()
    for one, other in zip(weights(model), weights(twin), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_it_goes_on_where_it_stood(name):
    model = new_model(name)
    optimizer = Muon(model.named_parameters(), **SETTINGS)
    give_gradients(model, 1)
    optimizer.step()
    later = copy.deepcopy(model)
    resumed = Muon(later.named_parameters(), **SETTINGS)
    load_optimizer(resumed, {k: t.clone() for k, t in optimizer_tensors(optimizer).items()})
    for one, of in ((model, optimizer), (later, resumed)):
        give_gradients(one, 2)
        of.step()
    for one, other in zip(weights(model), weights(later), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_a_momentum_that_is_no_share_is_refused(momentum):
    with pytest.raises(UserError, match=rf"optimizer\.momentum={momentum}"):
        Muon(new_model("rnn").named_parameters(), **SETTINGS | {"momentum": momentum})


def test_nmt_train_takes_it(tiny, tmp_path):
    typed = [*tiny, "optimizer=muon", "schedule=wsd", f"hydra.run.dir={tmp_path}/run"]
    answer = nmt("train", *typed)
    assert answer.code == 0, answer.err
    answer = nmt("train", f"resume={tmp_path}/run", "train.max_steps=6")
    assert answer.code == 0, answer.err
    assert "resuming at step 4" in answer.err
