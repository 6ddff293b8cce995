"""One key, drawn by chance; which draws were good is learned from what is predicted with them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.attention.draws import Draws, Rewarded
from nmt.attention.normalize import Normalizer
from nmt.errors import at_least, share


class Reinforce(Normalizer, Rewarded):
    """One key, drawn with the probabilities softmax(z); outside of training the best one.

    Xu et al. 2015 (Show, attend and tell), section 4.1, "hard" attention: REINFORCE. A draw adds
    two terms to the loss: -``reward`` · (R - b) · log p(key), and -``entropy`` · H, with H the
    entropy of the distribution that it was drawn from. R is the log-probability of the pieces that
    the draw can change: those from its position on, or all of them in an encoder. The paper takes
    those of the whole sentence, and a moving average as b. Here b is what the other sentences of
    the batch have per piece, times the number of the pieces, so that nothing has to be kept from
    update to update. With probability ``soft``, a query keeps its softmax, as a whole sentence does
    in the paper.
    """

    exact_zeros = True
    exact_gradient = False

    def __init__(
        self,
        heads: int = 1,
        reward: float = 1.0,
        entropy: float = 0.002,
        soft: float = 0.5,
    ) -> None:
        super().__init__(heads)
        at_least(0, {"normalize.reward": reward, "normalize.entropy": entropy})
        share({"normalize.soft": soft})
        self.reward = reward
        self.entropy = entropy
        self.soft = soft

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        soft = scores.softmax(-1)
        if not self.training:
            return F.one_hot(scores.argmax(-1), scores.size(-1)).to(soft.dtype)
        key = drawn(soft.detach())  # (...,T,1)
        stays = torch.rand_like(soft[..., :1]) < self.soft
        if self.record is not None:
            log_p = soft.gather(-1, key).clamp_min(torch.finfo(soft.dtype).tiny).log()
            chosen = log_p.masked_fill(stays, 0.0).squeeze(-1)
            self.record.append(Draws(chosen, entropy_of(scores, soft)))
        hard = torch.zeros_like(soft).scatter(-1, key, 1.0)
        return torch.where(stays, soft, hard)


def drawn(p: Tensor) -> Tensor:
    """Draw a key for each query with the probabilities p (...,T,S): (...,T,1).

    The largest p / e, e from the exponential distribution: a key of probability 0 is never drawn.
    """
    return (p / torch.empty_like(p).exponential_()).argmax(-1, keepdim=True)


def entropy_of(scores: Tensor, p: Tensor) -> Tensor:
    """Return -Σ p ln p of the softmax p of scores (...,T,S), in nats: (...,T)."""
    visible = scores.masked_fill(scores == float("-inf"), 0.0)
    return scores.logsumexp(-1) - (p * visible).sum(-1)
