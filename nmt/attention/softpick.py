"""A softmax that may pick nothing."""

from torch import Tensor

from nmt.attention.normalize import Normalizer


class Softpick(Normalizer):
    """relu(exp(z_i) - 1) / Σ_j |exp(z_j) - 1|.

    Zuhri et al. 2025 (arXiv 2504.20966). A key with a score below 0 gets exactly 0, and
    still takes weight from the others. If all scores are below 0, the query looks at nothing.
    The paper adds ε to the sum; here the sum is 1e-12 at least.
    """

    sums_to_one = False
    yields = False
    exact_zeros = True

    def forward(self, scores: Tensor, query: Tensor | None = None) -> Tensor:
        hidden = scores == float("-inf")
        scores = scores.masked_fill(hidden, 0.0)  # adds 0 to the sum
        largest = scores.detach().amax(-1, keepdim=True).clamp(min=0)
        above = (scores - largest).exp() - (-largest).exp()  # (exp(z) - 1) · exp(-largest)
        total = above.abs().sum(-1, keepdim=True).clamp(min=1e-12)
        return (above.relu() / total).masked_fill(hidden, 0.0)
