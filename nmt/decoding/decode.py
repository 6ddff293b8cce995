"""The settings of a search, `decode.*`."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from nmt.decoding.length import LENGTH_NORMS, LengthNorm
from nmt.errors import UserError, above_zero, at_least, at_most, one_of

# Settings that not every search reads: by where its translations come from, and of mbr.
DRAWN = ("temperature", "top_k", "top_p", "seed")
SOURCES = {"beam": ("beam",), "sample": DRAWN, "samples": ("samples", *DRAWN)}
MBR = ("candidates", "utility")
METHODS = ("beam", "sample", "mbr")


@dataclass
class Decode:
    """How translations are searched for; lengths are counted in tokens of the vocabularies."""

    method: str = "beam"  # or sample: pieces are drawn at random; or mbr: see `nmt.decoding.mbr`
    beam: int = 5  # hypotheses kept at each step; 1 is greedy
    length_penalty: float = 1.0  # α of the length norm; 0 prefers short translations
    length_norm: str = "wu"  # lp(Y) = ((5 + |Y|) / 6)^α; or power: |Y|^α
    n_best: int = 1  # translations returned for each line, all different
    min_length: int = 0  # least tokens of a translation, if the next limit allows it
    max_ratio: float = 2.0  # a translation has at most max_ratio · |source| + max_extra tokens
    max_extra: int = 10  # see max_ratio
    no_repeat_ngram: int = 0  # no sequence of this many tokens occurs twice; 0: no such rule
    temperature: float = 1.0  # of samples: log P is divided by it
    top_k: int = 0  # of samples: only this many most probable pieces are drawn; 0: all
    top_p: float = 1.0  # of samples: only the fewest pieces that together have this probability
    seed: int = 1  # of the random numbers of samples
    candidates: str = "samples"  # of mbr: samples, or beam: the hypotheses of a beam search
    samples: int = 32  # of mbr: how many are drawn of each line
    utility: str = "chrf"  # of mbr: likeness by chrf or bleu
    max_source: int = 1024  # longer lines are cut there, with a warning
    batch_size: int = 64  # sentences searched together …
    batch_tokens: int = 4096  # … as long as their source, padding included, is not larger

    def __post_init__(self) -> None:
        """Raise UserError, with key and value, for settings that no search can use."""
        for least, most, keys in (
            (1, 1024, ("beam", "n_best", "samples")),
            (1, 65_536, ("max_source", "batch_size")),
            (1, 2**24, ("batch_tokens",)),
            (0, 100, ("length_penalty", "max_ratio")),
            (0, 65_536, ("max_extra", "min_length", "no_repeat_ngram")),
            (0, 2**24, ("top_k",)),
            (0, 2**63 - 1, ("seed",)),
        ):
            settings = {f"decode.{key}": getattr(self, key) for key in keys}
            at_least(least, settings)
            at_most(most, settings)
        one_of(tuple(LENGTH_NORMS), {"decode.length_norm": self.length_norm})
        one_of(METHODS, {"decode.method": self.method})
        above_zero({"decode.temperature": self.temperature})
        if not 0 < self.top_p <= 1:
            raise UserError(f"decode.top_p={self.top_p}: must be above 0 and at most 1")
        one_of(("samples", "beam"), {"decode.candidates": self.candidates})
        one_of(("chrf", "bleu"), {"decode.utility": self.utility})
        if self.source == "beam" and self.n_best > self.beam:
            raise UserError(
                f"decode.n_best={self.n_best} needs a beam at least as large, but decode.beam "
                f"is {self.beam}: add decode.beam={self.n_best}."
            )
        if self.source == "samples" and self.n_best > self.samples:
            raise UserError(
                f"decode.n_best={self.n_best} needs as many samples, but decode.samples is "
                f"{self.samples}: add decode.samples={self.n_best}."
            )

    def refuse_unread(self, keys: Iterable[str]) -> None:
        """Raise UserError for the first of these settings that does nothing with this method."""
        mbr = self.method == "mbr"
        read = {*SOURCES[self.source], *(MBR if mbr else ())}
        known = {*MBR, *(key for some in SOURCES.values() for key in some)}
        how = self.method + (f" decode.candidates={self.candidates}" if mbr else "")
        for key in keys:
            if key in known - read:
                raise UserError(
                    f"decode.{key}={getattr(self, key)} has no effect with decode.method={how}: "
                    f"remove it, or choose another method ({', '.join(METHODS)})"
                )

    @property
    def source(self) -> str:
        """Where translations come from: beam, sample, or samples of which mbr takes the best."""
        return self.candidates if self.method == "mbr" else self.method

    def changed(self) -> list[str]:
        """Name the settings that do not have their default."""
        return [one.name for one in fields(self) if getattr(self, one.name) != one.default]

    @property
    def lp(self) -> LengthNorm:
        """By what log P is divided."""
        return LENGTH_NORMS[self.length_norm](self.length_penalty)

    @property
    def steers(self) -> bool:
        """Whether rules, too, decide what may follow."""
        return self.min_length > 0 or self.no_repeat_ngram > 0
