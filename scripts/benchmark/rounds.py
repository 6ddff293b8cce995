"""What was measured in several rounds, and what it says beside the noise of the machine."""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

OURS = "nmt"
Row = tuple[str | float, ...]


class Variant(NamedTuple):
    """What takes turns with the others."""

    shape: str
    toolkit: str
    precision: str

    def __str__(self) -> str:
        """Name it as people read it."""
        return f"{self.shape}, {self.toolkit}, {self.precision}"


class Rounds:
    """Rates of each variant, one a round."""

    def __init__(self) -> None:
        self.rates: defaultdict[Variant, list[float]] = defaultdict(list)

    def add(self, variant: Variant, rate: float | None) -> None:
        """Take in a measurement; None: it failed."""
        if rate is not None:
            self.rates[variant].append(rate)

    def median(self, variant: Variant) -> float:
        """The middle of the rounds."""
        return median(self.rates[variant])

    def spread(self, variant: Variant) -> float:
        """How far the rounds of a variant lie apart, as a share of their median."""
        rates = self.rates[variant]
        return (max(rates) - min(rates)) / self.median(variant)

    def fastest_other(self, shape: str) -> float | None:
        """The median of the fastest other toolkit, whatever its precision; None: there is none."""
        others = [one for one in self.rates if one.shape == shape and one.toolkit != OURS]
        return max(map(self.median, others), default=None)

    def header(self, unit: str) -> tuple[str, ...]:
        """Name the columns of :meth:`rows`."""
        return ("shape", "toolkit", "precision", unit, "to the fastest other", "spread")

    def rows(self) -> Iterator[Row]:
        """A row per variant."""
        for variant in self.rates:
            other, rate = self.fastest_other(variant.shape), self.median(variant)
            ratio = "" if other is None else f"{rate / other:.2f}"
            rounded = round(rate) if rate >= 100 else round(rate, 2)
            yield (*variant, rounded, ratio, f"{self.spread(variant):.0%}")

    def noise(self) -> str:
        """Say how far the same may lie apart."""
        num = max(map(len, self.rates.values()), default=0)
        widest = max(map(self.spread, self.rates), default=0.0)
        return f"Medians of {num} rounds; rounds of one variant lie up to {widest:.0%} apart."

    def figures(self) -> list[dict[str, Any]]:
        """All rounds of all variants, for a program."""
        return [
            {
                **variant._asdict(),
                "rounds": rates,
                "median": self.median(variant),
                "spread": self.spread(variant),
            }
            for variant, rates in self.rates.items()
        ]
