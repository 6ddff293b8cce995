"""Two passes over a batch against plain autograd on the papers' formulas."""

import json
from copy import deepcopy

import pytest
import torch
from choices import ALL as EVERY
from choices import in_turns
from command import nmt
from loss_laws import cross_entropy, half_is_for_products, hold_rows, of_two
from safetensors.torch import load_file
from small_model import SOURCE_VOCABULARY, TARGET_VOCABULARY, small_rnn, small_transformer
from torch import Tensor
from torch.nn import functional as F

from nmt.attention.mask import PAD
from nmt.batches.batch import Batch
from nmt.data.tokenizer import BOS, EOS
from nmt.models.embedding import Embedding, token_cutoff
from nmt.models.seq2seq import Seq2Seq
from nmt.training.consistency import RDrop, SimCut
from nmt.training.loss import batch_loss
from nmt.training.trainer import Trainer

N, R, V = 11, 5, 13
ALL = 1 - 1e-9  # a cutoff that cuts all it may
MODELS = {"rnn": small_rnn, "transformer": small_transformer}
SHARES = {"both": (0.5, 0.5), "first": (1.0, 0.0), "uneven": (0.3, 0.7)}

each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
each_share = pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)


@pytest.fixture(params=[3, N, 512])  # rows: several chunks and a rest, a full one, one that is not
def chunk(request, monkeypatch) -> None:
    hold_rows(monkeypatch, request.param)


def leaves(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(1)
    shapes = ((2, N, R), (V, R), (V,))
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def divergence(logits: Tensor, other: Tensor) -> Tensor:
    """KL(p‖p of the other), summed."""
    return F.kl_div(other.log_softmax(-1), logits.log_softmax(-1), log_target=True, reduction="sum")


# The sums and their gradients


@pytest.mark.usefixtures("chunk")
@each_share
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_objective_of_full_logits_with_its_gradients(smoothing, shares):
    x, matrix, bias = leaves()
    target = torch.randint(V, (N,))
    found = of_two(x, matrix, bias, target, smoothing, shares, 2.5)

    logits = F.linear(x, matrix, bias)
    passes = [(0, 1), (1, 0)]
    smoothed, nll, apart = (
        sum(
            share * part(logits[i], logits[j]) for share, (i, j) in zip(shares, passes, strict=True)
        )
        for part in (
            lambda one, _: F.cross_entropy(one, target, reduction="sum", label_smoothing=smoothing),
            lambda one, _: F.cross_entropy(one, target, reduction="sum"),
            divergence,
        )
    )
    objective = smoothed + 2.5 * apart
    for one, other in zip(found, (objective, smoothed, nll, apart), strict=True):
        torch.testing.assert_close(one, other)
    assert [one.requires_grad for one in found] == [True, False, False, False]
    ours = torch.autograd.grad(3 * found[0], (x, matrix, bias))
    theirs = torch.autograd.grad(3 * objective, (x, matrix, bias))
    for gradient, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, other)


@each_share
def test_passes_that_are_the_same_differ_by_nothing(shares):
    x, matrix, bias = leaves()
    target = torch.randint(V, (N,))
    twice = x[:1].expand(2, -1, -1)
    objective, smoothed, likelihood, apart = of_two(twice, matrix, bias, target, 0.1, shares, 5.0)
    torch.testing.assert_close(apart, torch.zeros_like(apart))
    torch.testing.assert_close(objective, smoothed)
    once = cross_entropy(x[0].float(), matrix.float(), bias.float(), target, 0.1)
    torch.testing.assert_close((smoothed.float(), likelihood.float()), once)


@each_share
def test_without_a_weight_it_is_the_mean_cross_entropy(shares):
    x, matrix, bias = leaves(torch.float32)
    target = torch.randint(V, (N,))
    found = of_two(x, matrix, bias, target, 0.1, shares, 0.0)
    alone = [cross_entropy(one, matrix, bias, target, 0.1)[0] for one in x]
    expected = shares[0] * alone[0] + shares[1] * alone[1]
    torch.testing.assert_close(found[0], expected)
    ours = torch.autograd.grad(found[0], (x, matrix, bias))
    theirs = torch.autograd.grad(expected, (x, matrix, bias))
    for gradient, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, other)


@pytest.mark.usefixtures("chunk")
def test_bfloat16_is_for_the_products_alone():
    x, matrix, bias = leaves(torch.float32)
    target = torch.randint(V, (N,))

    def loss(*tensors: Tensor) -> Tensor:
        return of_two(*tensors, target, 0.1, (0.5, 0.5), 1.0)[0]

    half_is_for_products(loss, (x, matrix, bias), rtol=0.02, gradient_rtol=0.05, gradient_atol=0.1)


# The losses of a model


def batch() -> Batch:
    """Rows … eos and bos … eos, padded."""
    torch.manual_seed(2)
    source = torch.randint(4, SOURCE_VOCABULARY, (3, 7))
    target = torch.randint(4, TARGET_VOCABULARY, (3, 6))
    for ids, lengths in ((source, (7, 5, 3)), (target, (6, 4, 3))):
        for row, length in zip(ids, lengths, strict=True):
            row[length - 1], row[length:] = EOS, PAD
    target[:, 0] = BOS
    return Batch(source, target)


def predictions(model: Seq2Seq, whole: Batch) -> tuple[Tensor, Tensor]:
    """The logits (2,N,V) of two passes in one forward, and the N pieces."""
    logits = model(whole.source.repeat(2, 1), whole.target[:, :-1].repeat(2, 1))
    keep = whole.target[:, 1:] != PAD
    return logits.unflatten(0, (2, -1))[:, keep], whole.target[:, 1:][keep]


def gradients(model: Seq2Seq, objective: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    objective.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    for name, gradient in ours.items():
        torch.testing.assert_close(
            gradient, theirs[name], rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
        )


@each_model
def test_rdrop_is_half_of_equation_4(make):
    model, whole = make(dropout=0.3), batch()
    torch.manual_seed(3)
    loss = RDrop(weight=5.0)(model, whole, 0.1)
    ours = gradients(model, loss.objective)

    torch.manual_seed(3)
    (one, other), target = predictions(model, whole)
    nll = sum(
        F.cross_entropy(logits, target, reduction="sum", label_smoothing=0.1)
        for logits in (one, other)
    )
    kl = (divergence(one, other) + divergence(other, one)) / 2
    torch.testing.assert_close(loss.objective, (nll + 5.0 * kl) / 2)
    torch.testing.assert_close(loss.smoothed, (nll / 2).detach())
    torch.testing.assert_close(loss.consistency, kl.detach())
    assert kl > 0
    assert_same(ours, gradients(model, (nll + 5.0 * kl) / 2))


@each_model
def test_simcut_learns_through_both_of_its_sides(make):
    model, whole = make(dropout=0.3), batch()
    torch.manual_seed(3)
    loss = SimCut(weight=3.0, cutoff=0.5)(model, whole, 0.1)
    ours = gradients(model, loss.objective)

    torch.manual_seed(3)
    with token_cutoff(model, 0.5, first=3, kept=(BOS, EOS)):
        (one, cut), target = predictions(model, whole)
    smoothed = F.cross_entropy(one, target, reduction="sum", label_smoothing=0.1)
    kl = divergence(one, cut)
    torch.testing.assert_close(loss.objective, smoothed + 3.0 * kl)
    torch.testing.assert_close(loss.consistency, kl.detach())
    assert_same(ours, gradients(model, smoothed + 3.0 * kl))


@each_model
def test_simcut_compares_with_a_model_that_knows_no_pieces(make):
    model, whole = make(dropout=0.0), batch()
    loss = SimCut(weight=3.0, cutoff=ALL)(model, whole, 0.1)
    alone = batch_loss(model, whole, 0.1)
    torch.testing.assert_close(loss.smoothed, alone.smoothed.detach())
    torch.testing.assert_close(loss.likelihood, alone.likelihood)

    ignorant = deepcopy(model)
    with torch.no_grad():
        for embedding in (ignorant.source_embedding, ignorant.target_embedding):
            embedding.weight[EOS + 1 :] = 0
    (one, _), _ = predictions(model, whole)
    (cut, _), _ = predictions(ignorant, whole)
    torch.testing.assert_close(loss.consistency, divergence(one, cut).detach())


@each_model
@pytest.mark.parametrize("loss", [RDrop(5.0), SimCut(3.0, ALL)], ids=["rdrop", "simcut"])
def test_padding_is_no_part_of_the_loss(loss, make):
    model, whole = make(dropout=0.0), batch()
    together = loss(model, whole, 0.1)
    alone = [
        loss(model, Batch(whole.source[i : i + 1, :s], whole.target[i : i + 1, :t]), 0.1)
        for i, (s, t) in enumerate(((7, 6), (5, 4), (3, 3)))
    ]
    for name in ("objective", "smoothed", "likelihood", "consistency"):
        expected = sum(getattr(one, name) for one in alone)
        torch.testing.assert_close(getattr(together, name), expected, atol=1e-4, rtol=1e-5)


# The cutoff


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_cut_piece_is_zero_and_the_others_stay(scale):
    torch.manual_seed(1)
    embedding = Embedding(100, 3, scale=scale)
    ids = torch.randint(4, 100, (400, 5))
    ids[:, 0], ids[:, -1] = BOS, EOS
    whole = embedding(ids)
    with token_cutoff(embedding, 0.25, first=100, kept=(BOS, EOS)):
        cut = embedding(ids)
    lost = (cut == 0).all(-1)
    assert torch.equal(cut, whole.masked_fill(lost.unsqueeze(-1), 0.0))
    assert not lost[:100].any()
    assert not lost[:, [0, -1]].any()
    assert lost[100:, 1:-1].float().mean() == pytest.approx(0.25, abs=0.05)
    assert torch.equal(embedding(ids), whole)


@each_model
@pytest.mark.parametrize("share", [False, True])
def test_both_sides_of_a_model_are_cut(share, make):
    sizes = {"source_vocabulary": 29, "target_vocabulary": 29} if share else {}
    model, whole = make(dropout=0.0, share_embeddings=share, **sizes), batch()
    with token_cutoff(model, ALL, first=0, kept=()):
        cut = model(whole.source, whole.target[:, :-1])
    for embedding in (model.source_embedding, model.target_embedding):
        torch.nn.init.zeros_(embedding.weight)
    torch.testing.assert_close(cut, model(whole.source, whole.target[:, :-1]))


# Through the command


def rnn(words: list[str]) -> list[str]:
    return [*words, "model.dropout=0.3"]


def transformer(words: list[str]) -> list[str]:
    others = [word for word in words if not word.startswith("model.")]
    sizes = ("width=8", "feed_forward_width=8", "heads=2", "encoder_layers=1", "decoder_layers=1")
    return [*others, "model=transformer", *(f"model.{size}" for size in sizes)]


CHOICES = [
    "consistency=rdrop",
    # A SimCut training is stopped in test_trainer.py too, and divided in test_shards.py.
    *(["consistency=simcut"] if EVERY else []),
    "teacher=scheduled_sampling",
    "teacher=two_passes",
]


@pytest.mark.parametrize(("choice", "of_model"), in_turns(CHOICES, [rnn, transformer]))
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(
    choice, of_model, tiny, tmp_path, monkeypatch
):
    words = [*of_model(tiny), choice, "train.ema=0.9"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    answer = nmt("train", *words, f"hydra.run.dir={whole}")
    assert answer.code == 0, answer.err
    with monkeypatch.context() as patch:
        real = Trainer.train_step

        def train_step(self, work):
            if self.position.step == 3:  # the last checkpoint is of step 2
                raise KeyboardInterrupt
            return real(self, work)

        patch.setattr(Trainer, "train_step", train_step)
        assert nmt("train", *words, f"hydra.run.dir={cut}").code == 130
    assert nmt("train", f"resume={cut}").code == 0

    logged = [
        {
            line["step"]: (line["train/loss"], line.get("train/consistency"))
            for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
            if "train/loss" in line
        }
        for run in (whole, cut)
    ]
    assert logged[0] == logged[1]
    twice = choice.startswith("consistency")
    assert all(apart > 0 if twice else apart is None for _, apart in logged[0].values())
    places = ("model.safetensors", "checkpoints/step-0000004/ema.safetensors")
    for place in places:
        one, other = load_file(whole / place), load_file(cut / place)
        assert all(one[name].equal(other[name]) for name in one)


def test_plain_training_logs_no_consistency(trained):
    assert "train/consistency" not in (trained / "metrics.jsonl").read_text()
