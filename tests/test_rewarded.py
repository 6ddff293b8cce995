"""What draws are rewarded with, against loops over the sum and against the exact gradient."""

import pytest
import torch
from small_model import small_rnn, small_transformer

from nmt.attention.draws import record_draws
from nmt.attention.reinforce import Reinforce, drawn, entropy_of
from nmt.batches.batch import Batch
from nmt.laws.model import BOS, EOS
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.training.consistency import RDrop
from nmt.training.loss import batch_loss
from nmt.training.rewarded import rewards_of, with_rewards

BATCH = Batch(
    torch.tensor([[4, 5, 6, EOS], [7, 8, EOS, 0]]),
    torch.tensor([[BOS, 4, 5, EOS], [BOS, 6, EOS, 0]]),
)
MODELS = {
    "rnn": lambda: small_rnn(normalize="reinforce", decoder_self_attention=True, hops=2),
    "rnn-loop": lambda: small_rnn(normalize="reinforce", order="bahdanau", heads=2),
    "transformer": lambda: small_transformer(normalize="reinforce"),
}


def reinforce(model: Seq2Seq) -> list[Reinforce]:
    return [part for part in model.modules() if isinstance(part, Reinforce)]


def test_rewards_are_what_a_piece_and_those_after_it_gain_over_the_other_sentences():
    pieces = torch.tensor([[1.0, 2.0, 4.0, 3.0, 5.0]])
    rewards = rewards_of(pieces, BATCH)
    first, second = [-1.0, -2.0, -4.0], [-3.0, -5.0]
    means = [sum(second) / 2, sum(first) / 3]
    for row, log_p in enumerate((first, second)):
        better = [one - means[row] for one in log_p]
        for place in range(len(better)):
            torch.testing.assert_close(rewards.target.value[row, place].item(), sum(better[place:]))
        torch.testing.assert_close(rewards.source.value[row], torch.full((4,), sum(better)))
    assert rewards.target.counts.tolist() == [[True] * 3, [True, True, False]]
    assert rewards.source.counts.tolist() == [[True] * 4, [True, True, True, False]]


@pytest.mark.parametrize("passes", [batch_loss, RDrop(1.0)], ids=["one", "two"])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_the_sum_over_all_draws(name, passes):
    torch.manual_seed(1)
    model = MODELS[name]().double().train()
    for part in reinforce(model):
        part.reward, part.entropy = 0.7, 0.01
    torch.manual_seed(2)
    with record_draws(model) as recorded:
        plain = passes(model, BATCH, 0.1)
    torch.manual_seed(2)
    found = with_rewards(passes, model)(model, BATCH, 0.1)
    torch.testing.assert_close(found.smoothed, plain.smoothed)
    rewards = rewards_of(plain.pieces, BATCH)
    expected = plain.objective
    for kind, attends in model.attentions().items():
        reward = rewards.source if kind == Kind.ENCODER else rewards.target
        for part in (one for attend in attends for one in reinforce(attend)):
            per_hop = 2 if name == "rnn" and kind == Kind.SOURCE_TARGET else 1
            for number, draws in enumerate(recorded[part]):
                place = number // per_hop if draws.log_p.size(-1) == 1 else 0
                for row in range(len(reward.value)):
                    for t in range(draws.log_p.size(-1)):
                        if reward.counts[row, place + t]:
                            log_p = draws.log_p[row, ..., t].sum()
                            expected = expected - 0.7 * reward.value[row, place + t] * log_p
                            expected = expected - 0.01 * draws.entropy[row, ..., t].sum()
    torch.testing.assert_close(found.objective, expected)


def test_the_mean_of_many_draws_is_the_gradient_of_the_expected_log_probability():
    """∂/∂z Σ p_j R_j, for one query whose reward depends on the key that is drawn."""
    torch.manual_seed(3)
    z = torch.tensor([0.3, -0.5, 1.0, -torch.inf]).double().requires_grad_()
    gains = torch.tensor([1.0, 3.0, -2.0, 9.0]).double()
    (exact,) = torch.autograd.grad((z.softmax(-1) * gains).sum(), z)
    p = z.expand(200_000, 4).softmax(-1)
    key = drawn(p.detach())
    (found,) = torch.autograd.grad((gains[key] * p.gather(-1, key).log()).mean(), z)
    torch.testing.assert_close(found, exact, atol=0.02, rtol=0)
    (of_entropy,) = torch.autograd.grad(entropy_of(z, z.softmax(-1)), z)
    seen = z[:3].detach().requires_grad_()
    entropy = torch.distributions.Categorical(logits=seen).entropy()
    torch.testing.assert_close(of_entropy[:3], torch.autograd.grad(entropy, seen)[0])


def test_only_what_draws_is_rewarded_and_nothing_outside_of_training():
    plain = small_rnn()
    assert with_rewards(batch_loss, plain) is batch_loss
    model = small_rnn(normalize="reinforce").eval()
    first, second = (batch_loss(model, BATCH, 0.0).likelihood for _ in range(2))
    assert first == second
