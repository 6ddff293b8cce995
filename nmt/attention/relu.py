"""Weights as large as their scores, and none for what scores below 0."""

from torch import Tensor

from nmt.attention.normalize import Normalizer


class ReLU(Normalizer):
    """max(0, z): nothing is divided, so heads learn to be off where nothing fits.

    Zhang, Titov and Sennrich 2021 (ReLA, arXiv 2104.07012), eq. 4. The weights have no scale, so
    that of what a head finds has to be made behind it: with ``gate=rms`` alone.
    """

    sums_to_one = False
    exact_zeros = True
    bounded = False

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        return scores.relu()
