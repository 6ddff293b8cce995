"""The settings of a search, `decode.*`."""

from dataclasses import dataclass

from nmt.decoding.length import LENGTH_NORMS, LengthNorm
from nmt.errors import UserError, at_least, at_most, one_of


@dataclass
class Decode:
    """How translations are searched for; lengths are counted in tokens of the vocabularies."""

    beam: int = 5  # hypotheses kept at each step; 1 is greedy
    length_penalty: float = 1.0  # α of the length norm; 0 prefers short translations
    length_norm: str = "wu"  # lp(Y) = ((5 + |Y|) / 6)^α; or power: |Y|^α
    n_best: int = 1  # translations given for each line
    min_length: int = 0  # a translation has at least so many tokens, if the next limit allows it
    max_ratio: float = 2.0  # a translation has at most max_ratio · |source| + max_extra tokens
    max_extra: int = 10
    no_repeat_ngram: int = 0  # no sequence of so many tokens stands twice; 0: any may
    max_source: int = 1024  # longer lines are cut there, with a warning
    batch_size: int = 64  # sentences searched together …
    batch_tokens: int = 4096  # … as long as their source, padding included, is not larger

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for what cannot be searched with."""
        for least, most, keys in (
            (1, 1024, ("beam", "n_best")),
            (1, 65_536, ("max_source", "batch_size")),
            (1, 2**24, ("batch_tokens",)),
            (0, 100, ("length_penalty", "max_ratio")),
            (0, 65_536, ("max_extra", "min_length", "no_repeat_ngram")),
        ):
            settings = {f"decode.{key}": getattr(self, key) for key in keys}
            at_least(least, settings)
            at_most(most, settings)
        one_of(tuple(LENGTH_NORMS), {"decode.length_norm": self.length_norm})
        if self.n_best > self.beam:
            raise UserError(
                f"decode.n_best={self.n_best} needs a beam at least as wide, and decode.beam is "
                f"{self.beam}: add decode.beam={self.n_best}."
            )

    @property
    def lp(self) -> LengthNorm:
        """By what log P is divided."""
        return LENGTH_NORMS[self.length_norm](self.length_penalty)

    @property
    def steers(self) -> bool:
        """Whether a rule says what may follow, beside the model."""
        return self.min_length > 0 or self.no_repeat_ngram > 0
