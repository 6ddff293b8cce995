"""Learning from decisions that were drawn at random, such as at which key to look."""

from typing import NamedTuple

import torch
from torch import Tensor

from nmt.attention.draws import Draws, Rewarded, record_draws, rewarded
from nmt.attention.mask import PAD
from nmt.attention.recorded import split
from nmt.batches.batch import Batch
from nmt.models.seq2seq import Kind, Seq2Seq
from nmt.training.loss import BatchLoss, Loss


def with_rewards(loss: BatchLoss, model: Seq2Seq) -> BatchLoss:
    """Return the loss with the rewards of the model's draws; the same loss if nothing draws."""
    return WithRewards(loss) if rewarded(model) else loss


class WithRewards:
    """The loss inside, and -reward · Σ (R - b) log p - entropy · Σ H over all draws (REINFORCE).

    R is the log-probability of the target pieces that a draw may change, b that of as many pieces
    in the other sentences of the batch. Only p and H have a gradient.
    """

    def __init__(self, loss: BatchLoss) -> None:
        self.loss = loss

    def __call__(self, model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
        """Sum the loss of every target piece of a batch, under teacher forcing."""
        with record_draws(model) as recorded:
            loss = self.loss(model, batch, smoothing)
        assert loss.pieces is not None
        rewards = rewards_of(loss.pieces, batch)
        terms = [
            term(part, recorded[part], rewards.source if kind == Kind.ENCODER else rewards.target)
            for kind, attends in model.attentions().items()
            for attend in attends
            for part in attend.modules()
            if isinstance(part, Rewarded)
        ]
        return loss._replace(objective=loss.objective + torch.stack(terms).sum())


class Reward(NamedTuple):
    """The rewards of some queries."""

    counts: Tensor  # bool (B,T) whether a query is one; False: padding
    value: Tensor  # (B,T) R - b


class Rewards(NamedTuple):
    """The rewards of the queries of both sides."""

    source: Reward
    target: Reward


@torch.no_grad()
def rewards_of(pieces: Tensor, batch: Batch) -> Rewards:
    """Return the rewards of all queries, from the negative log-likelihoods (P,N) of P passes."""
    passes = pieces.size(0)
    target = batch.target[:, 1:]  # (B,T)
    log_p = pieces.new_zeros(passes, target.numel())
    log_p[:, batch.predicted] = -pieces
    log_p = log_p.view(passes * target.size(0), -1)  # (P·B,T)
    real = (target != PAD).repeat(passes, 1)
    sums, numbers = log_p.sum(1, keepdim=True), real.sum(1, keepdim=True)  # (P·B,1)
    others = (sums.sum() - sums) / (numbers.sum() - numbers).clamp(min=1)  # per piece
    better = (log_p - others) * real
    source = (batch.source != PAD).repeat(passes, 1) & real.any(1, keepdim=True)
    return Rewards(
        Reward(source, better.sum(1, keepdim=True).expand(source.shape)),
        Reward(real, better.flip(1).cumsum(1).flip(1)),  # of the pieces from each on
    )


def term(part: Rewarded, draws: list[Draws], reward: Reward) -> Tensor:
    """Return the term of the draws of one part in the loss: ()."""
    num = reward.counts.size(1)
    log_p = by_query([one.log_p for one in draws], num)
    entropy = by_query([one.entropy for one in draws], num)
    gained = (reward.value * log_p * reward.counts).sum()
    return -part.reward * gained - part.entropy * (entropy * reward.counts).sum()


def by_query(recorded: list[Tensor], num_queries: int) -> Tensor:
    """Add up records (B,[H,]t) over heads and hops, from one pass or position by position.

    Returns (B,T).
    """
    hops = split([one.unsqueeze(-1) for one in recorded], num_queries)  # (B,H,T,1) each
    return torch.stack(hops).sum((0, 2)).squeeze(-1)
