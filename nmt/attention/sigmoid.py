"""Each key is judged by itself: weights do not compete."""

from torch import Tensor

from nmt.attention.normalize import Normalizer, num_visible


class Sigmoid(Normalizer):
    """σ(z - ln n), n the number of visible keys.

    Ramapuram et al. 2024 (arXiv 2409.04431). With scores around 0 each weight starts
    at about 1/n, as with the softmax. But many keys may have a weight near 1, or no key may.
    """

    sums_to_one = False
    exceeds_one = True
    yields = False

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return (scores - num_visible(scores).to(scores.dtype).log()).sigmoid()
