"""Which keys a query looks at: all of them, or those near one position.

A window surrounds the normalizer: keys outside are gone before it, so that the weights of those
inside sum to 1 (Luong et al. 2015, section 3.2).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.attention.normalize import num_visible
from nmt.errors import UserError

Normalize = Callable[[Tensor], Tensor]


class Window(nn.Module, ABC):
    """From scores to weights through a normalizer, with regard to places."""

    reads_query: bool = False

    def __init__(self, query_width: int) -> None:
        super().__init__()
        self.query_width = query_width

    @abstractmethod
    def forward(
        self, normalize: Normalize, scores: Tensor, query: Tensor, position: Tensor
    ) -> Tensor:
        """The weights (...,T,S).

        normalize: from scores to weights over the last axis
        scores:    (...,T,S), -inf where a query may not look
        query:     (...,T,Dq)
        position:  int, broadcastable to (...,T): the place of each query in its own sentence
        """


class Full(Window):
    """All keys: the global attention of Luong et al. 2015, section 3.1."""

    def forward(
        self,
        normalize: Normalize,
        scores: Tensor,
        query: Tensor,
        position: Tensor,
    ) -> Tensor:
        return normalize(scores)


class Local(Window):
    """The keys s with |s - p| <= D around an aligned position p. Luong et al. 2015, section 3.2.

    `radius` is D, a whole number of 1 or more, so that some key is always inside: p is never more
    than 1 away from a key.
    """

    def __init__(self, query_width: int, radius: int = 10) -> None:
        super().__init__(query_width)
        if radius < 1:
            raise UserError(
                f"window.radius={radius} leaves no key to look at. Choose 1 or more; the paper "
                "uses 10."
            )
        self.radius = radius

    def inside(self, normalize: Normalize, scores: Tensor, distance: Tensor) -> Tensor:
        """align(q, k) over the window alone; distance s - p: (...,T,S)."""
        return normalize(scores.masked_fill(distance.abs() > self.radius, float("-inf")))


class LocalM(Local):
    """Monotonic alignment, p_t = t: target position t looks around source position t.

    Luong et al. 2015, section 3.2, local-m: the keys s with |s - p_t| <= D, the radius. Beyond the
    end of the source, p_t is its last position.
    """

    def forward(
        self,
        normalize: Normalize,
        scores: Tensor,
        query: Tensor,
        position: Tensor,
    ) -> Tensor:
        p = torch.minimum(position, num_visible(scores).squeeze(-1) - 1)  # (...,T)
        return self.inside(normalize, scores, places(scores) - p[..., None])


class LocalP(Local):
    """Predictive alignment, p_t = S·sigmoid(v·tanh(W q)).

    Luong et al. 2015, section 3.2, local-p, eq. 9 and 10: the keys s with |s - p_t| <= D. S is the
    number of keys that the query may look at. After the normalizer, the weights are multiplied by a
    Gaussian around p_t with standard deviation D/2. So they sum to less than 1, and p_t has a
    gradient.
    """

    reads_query = True

    def __init__(self, query_width: int, radius: int = 10) -> None:
        super().__init__(query_width, radius)
        self.W = nn.Linear(query_width, query_width, bias=False)
        self.v = nn.Linear(query_width, 1, bias=False)

    def forward(
        self,
        normalize: Normalize,
        scores: Tensor,
        query: Tensor,
        position: Tensor,
    ) -> Tensor:
        share = self.v(self.W(query).tanh()).squeeze(-1).to(scores.dtype).sigmoid()  # (...,T)
        p = num_visible(scores).squeeze(-1) * share
        distance = places(scores) - p[..., None]  # (...,T,S)
        sigma = self.radius / 2
        gaussian = (-distance.square() / (2 * sigma**2)).exp()
        return self.inside(normalize, scores, distance) * gaussian


def places(scores: Tensor) -> Tensor:
    """0, 1, … S-1: the place of each key."""
    return torch.arange(scores.shape[-1], device=scores.device)
