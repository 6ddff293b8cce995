"""Copying source pieces: against the formula piece by piece, in the loss, and in a search."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from command import mistake, nmt
from model_laws import Case, ModelLaws, gradients_reach_every_parameter, sources, targets
from small_model import TARGET_VOCABULARY, small_rnn, small_transformer
from torch import Tensor

from nmt.attention.attention import record_attention
from nmt.batches.batch import Batch
from nmt.errors import UserError
from nmt.laws.model import BOS, EOS
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.training.guided import Guided
from nmt.training.loss import batch_loss

JOINT = {"source_vocabulary": TARGET_VOCABULARY, "copy": True}
MODELS: dict[str, Callable[..., Seq2Seq]] = {
    "rnn": partial(small_rnn, **JOINT),
    "rnn-loop": partial(small_rnn, **JOINT, order="bahdanau", heads=2, sink="zero"),
    "rnn-hops": partial(small_rnn, **JOINT, hops=2, normalize="sigmoid"),
    "transformer": partial(small_transformer, **JOINT),
}


@pytest.fixture(params=MODELS)
def case(request) -> Case:
    torch.manual_seed(1)
    case = Case(MODELS[request.param]().double().eval())
    case.source[0, 1] = case.source[0, 3] = 5  # twice in one sentence
    return case


class TestCopying(ModelLaws):
    """A model that copies decodes as it trains, is blind to padding and to the future."""


def test_gradients_reach_every_parameter(case):
    gradients_reach_every_parameter(case)


def expected(model: Seq2Seq, source: Tensor, target: Tensor) -> Tensor:
    """p of each piece (B,T,V): g p_vocabulary, and the weights of the places that hold it."""
    last = model.attentions()[Kind.SOURCE_TARGET][-1]
    with record_attention(last) as recorded:
        features = model.features(source, target)
    (looks,) = recorded.values()
    if looks[0].size(-2) == 1:  # position by position
        looks = [torch.cat(looks, -2)]
    weights = looks[-1] if looks[-1].dim() == 3 else looks[-1].mean(1)
    g = model.copy.gate(features).sigmoid()
    p = model.output(features).softmax(-1)
    for b in range(len(source)):
        for t in range(target.size(1)):
            places = [s for s, id in enumerate(source[b].tolist()) if id not in (0, EOS)]
            all_of_them = max(1.0, sum(weights[b, t, s].item() for s in places))
            copies = {s: (1 - g[b, t]) * weights[b, t, s] / all_of_them for s in places}
            p[b, t] *= 1 - sum(copies.values(), torch.zeros(1))
            for s, copy in copies.items():
                p[b, t, source[b, s]] += copy.item()
    return p


def test_pieces_have_the_probability_of_the_vocabulary_and_of_their_copies(case):
    with torch.no_grad():
        found = case.model(case.source, case.target).exp()
        torch.testing.assert_close(found.sum(-1), torch.ones_like(found[..., 0]))
        torch.testing.assert_close(found, expected(case.model, case.source, case.target))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_and_its_gradient_are_those_of_the_mixture(case, smoothing, whole, monkeypatch):
    monkeypatch.setattr("nmt.training.loss.ROWS", 4)
    monkeypatch.setattr("nmt.training.loss.HELD", 3 * TARGET_VOCABULARY)
    model, source = case.model, case.source
    full = torch.cat([case.target, torch.full((3, 1), EOS)], 1)
    full[0, 2], full[2, 1] = source[0, 1], source[2, 0]  # a piece that is copied, and </s>
    full[1, 4:] = torch.tensor([EOS, 0])
    batch = Batch(source, full)
    batch = batch.padded(8, 4) if whole else batch
    loss = batch_loss(model, batch, smoothing)
    loss.objective.backward()
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    log_p, labels = model(source, full[:, :-1]), full[:, 1:]
    plain = -log_p.gather(-1, labels[..., None]).squeeze(-1)
    each = (1 - smoothing) * plain - smoothing * log_p.mean(-1)
    each[labels != 0].sum().backward()
    torch.testing.assert_close(loss.objective, each[labels != 0].sum())
    torch.testing.assert_close(loss.likelihood, plain[labels != 0].sum())
    for one, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad)
    with torch.no_grad():
        without = batch_loss(model, batch, smoothing)
    torch.testing.assert_close(without.objective, loss.objective)
    torch.testing.assert_close(without.pieces, loss.pieces)


def test_links_teach_the_attention_that_is_copied_from():
    torch.manual_seed(2)
    model = MODELS["rnn"]().eval()
    batch = Batch(sources(), torch.cat([targets(), torch.full((3, 1), EOS)], 1))
    guide = torch.zeros(3, 5, 7)
    guide[:, 1, 0] = 1.0
    loss = Guided(batch_loss, 1.0, None, None)(model, batch._replace(guide=guide), 0.0)
    torch.testing.assert_close(loss.likelihood, batch_loss(model, batch, 0.0).likelihood)
    assert loss.guided > 0


def test_a_model_learns_to_copy_pieces_that_it_has_never_predicted():
    torch.manual_seed(3)
    model = MODELS["rnn"](encoder_layers=1, decoder_layers=1, order="bahdanau")
    optimizer = torch.optim.Adam(model.parameters(), 0.02)

    def batch(low: int, high: int) -> Batch:
        piece = torch.randint(low, high, (16, 1))
        end, start = torch.full((16, 1), EOS), torch.full((16, 1), BOS)
        return Batch(torch.cat([piece, end], 1), torch.cat([start, piece, end], 1))

    for _ in range(60):
        optimizer.zero_grad()
        (batch_loss(model, batch(4, 24), 0.0).objective / 32).backward()
        optimizer.step()
    unseen = batch(24, TARGET_VOCABULARY)
    _, copied = model.eval().features_and_copies(unseen.source, unseen.target[:, :-1])
    assert copied[:, 0].sum(-1).mean() > 0.5
    assert copied[:, 1].sum(-1).mean() < 0.5, "</s> is predicted"


def test_what_has_no_meaning_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"one of 23 and one of 29 .* tokenizer\.joint=true"):
        small_rnn(copy=True)
    with pytest.raises(UserError, match=r"model\.copy=true does not apply to attention=none"):
        MODELS["rnn"](attention="none")
    monkeypatch.chdir(tmp_path)
    for words, reason in {
        ("tokenizer.joint=false", "model.share_embeddings=false"): "set tokenizer.joint=true",
        ("consistency=rdrop",): "remove one of the two",
    }.items():
        assert reason in mistake(nmt("train", "experiment=smoke", "model.copy=true", *words))
