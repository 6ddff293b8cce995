"""Every key judged by itself: weights that do not compete."""

from torch import Tensor

from nmt.attention.normalize import Normalizer, num_visible


class Sigmoid(Normalizer):
    """σ(z - ln n), n the number of visible keys.

    Ramapuram et al. 2024 (arXiv 2409.04431). With scores around 0 each weight starts
    at about 1/n, as under a softmax, but a query may give all weight to many keys, or to none.
    """

    sums_to_one = False

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return (scores - num_visible(scores).to(scores.dtype).log()).sigmoid()
