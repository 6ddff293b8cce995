"""The two shapes that a score can have: any function of query and key, or an inner product."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from nmt.attention.bias import Bias
from nmt.errors import UserError


class Score(nn.Module, ABC):
    """How well each query matches each key: (...,T,Dq), (...,S,Dk) -> (...,T,S).

    It sees one key at a time and does not know how many there are: permuting the keys permutes the
    scores, and one more key changes no other score. (`luong_location` and `gaussian` see positions,
    not keys; a score with a history also sees the weights of earlier positions.)
    """

    reads_keys: bool = True  # False: of the keys, only their number counts
    reads_query: bool = True  # False: it is the same for every query
    keeps_angle: bool = False  # turning query and key alike leaves the score as it is

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__()
        self.query_width = query_width
        self.key_width = key_width

    def prepare(self, keys: Tensor) -> Tensor:
        """What depends on the keys alone, computed once per sentence: (...,S,Dk) -> (...,S,any)."""
        return keys

    def bias(self, heads: int) -> Bias | None:
        """Return what it adds for the places of query and key; None: nothing."""
        return None

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """(...,T,Dq), keys as `prepare` returned them -> (...,T,S), -inf = out of reach."""


class InnerProduct(Score):
    """A score that is f(q)·g(k): g is `prepare`, f is `place`.

    With the softmax, such a score can take the fused kernels of `F.scaled_dot_product_attention`.
    """

    def place(self, query: Tensor) -> Tensor:
        """Brings the queries into the space of the prepared keys: (...,T,Dq) -> (...,T,D)."""
        return query

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.place(query) @ keys.transpose(-2, -1)  # (...,T,S)


def need_equal_widths(score: Score) -> None:
    """Raises UserError where query and key have no inner product with each other."""
    if score.query_width != score.key_width:
        raise UserError(
            f"{type(score).__name__} multiplies query and key, so they need the same width, but "
            f"the query has width {score.query_width} and the key {score.key_width}. Choose "
            "attention=luong_general, which has a matrix between them, or model.heads=2 or "
            "more, which projects both, or make the decoder as wide as the encoder."
        )
