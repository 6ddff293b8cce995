"""Heads with fixed weights: the piece before, the piece itself, all to the left, …"""

import torch
from torch import Tensor

from nmt.attention.normalize import num_visible
from nmt.attention.window import Normalize, Window, places
from nmt.errors import at_least, at_most

PATTERNS = 7


class Fixed(Window):
    """Heads 1 to 7 have fixed patterns; the other heads, and always the last, use their scores.

    Raganato, Scherrer and Tiedemann 2020 (Fixed encoder self-attention patterns, arXiv 2002.10260),
    section 3. Each head looks at:

    1. the piece itself
    2. the piece before
    3. the next piece
    4. the pieces farther to the left, with weights proportional to (j+1)³
    5. the pieces farther to the right, mirrored
    6. all pieces, most at the last
    7. all pieces, most at the first

    j counts from 0. If a pattern has no visible key, the head looks at the piece itself. The paper
    has the patterns in the encoder. In source-target attention, target piece t counts as source
    piece t, or as the last one if the source is shorter. ``patterns`` is how many of the seven are
    used.
    """

    def __init__(self, query_width: int, patterns: int = PATTERNS) -> None:
        super().__init__(query_width)
        at_least(1, {"window.patterns": patterns})
        at_most(PATTERNS, {"window.patterns": patterns})
        self.patterns = patterns

    def number(self, heads: int) -> int:
        """Return how many of the heads have a pattern, the first ones."""
        return min(self.patterns, heads - 1)

    def forward(
        self,
        normalize: Normalize,
        scores: Tensor,
        query: Tensor,
        position: Tensor,
    ) -> Tensor:
        number = self.number(scores.shape[-3])
        fixed = patterns_over(scores[..., :1, :, :], position)[..., :number, :, :]
        return torch.cat([fixed, normalize(scores)[..., number:, :, :]], -3)


def patterns_over(scores: Tensor, position: Tensor) -> Tensor:
    """Return the weights (...,7,T,S) over the keys in sight: scores (...,1,T,S) above -inf."""
    seen = scores > float("-inf")
    n, j = num_visible(scores), places(scores)  # (...,1,T,1), (S,)
    far = j - torch.minimum(position[..., None], n - 1)  # (...,1,T,S)
    from_left, from_right = ((j + 1) ** 3).expand_as(far), (n - j).clamp(min=0) ** 3
    found = torch.cat(
        [
            far == 0,
            far == -1,
            far == 1,
            from_left * (far < -1),
            from_right * (far > 1),
            from_left,
            from_right.expand_as(far),
        ],
        -3,
    )
    found = (found * seen).to(scores.dtype)
    found = torch.where(found.sum(-1, keepdim=True) > 0, found, (far == 0).to(scores.dtype))
    return found / found.sum(-1, keepdim=True)
