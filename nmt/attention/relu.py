"""Weights as large as their scores, and none for what scores below 0."""

from torch import Tensor

from nmt.attention.normalize import Normalizer


class ReLU(Normalizer):
    """max(0, z), not divided by a sum: a head can learn to be off where no key fits.

    Zhang, Titov and Sennrich 2021 (ReLA, arXiv 2104.07012), eq. 4. The weights may have any size,
    so the output of a head has to be rescaled: it needs ``gate=rms``.
    """

    sums_to_one = False
    exceeds_one = True
    yields = False
    exact_zeros = True
    bounded = False

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return scores.relu()
