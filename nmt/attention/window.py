"""Which part of the source a query looks at: all of it, or the keys near one place.

Luong et al. 2015, section 3.2. A window surrounds the normalizer: keys outside are gone before it, so
that the weights inside sum to 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.errors import UserError

Normalize = Callable[[Tensor], Tensor]


class Window(nn.Module, ABC):
    """From scores to weights through a normalizer, with regard to places."""

    def __init__(self, query_width: int) -> None:
        super().__init__()
        self.query_width = query_width

    @abstractmethod
    def forward(
        self, normalize: Normalize, scores: Tensor, query: Tensor, position: Tensor
    ) -> Tensor:
        """Weights (...,T,S) from scores (...,T,S) that are -inf where a query may not look.

        query: (...,T,Dq); position: int, broadcastable to (...,T), the queries' places.
        """


class Full(Window):
    """The whole source: the global attention of Luong et al. 2015, section 3.1."""

    def forward(
        self,
        normalize: Normalize,
        scores: Tensor,
        query: Tensor,  # noqa: ARG002
        position: Tensor,  # noqa: ARG002
    ) -> Tensor:
        return normalize(scores)
