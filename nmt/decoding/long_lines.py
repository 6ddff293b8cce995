"""Lines that a model cannot be expected to translate whole, told once of a text."""

import logging
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass
class LongLines:
    """Warns of the first line of a text that is cut, and of the first that training had no like of.

    A model that is given more than it has learned from ends early, without a word of its own.
    """

    trained: int | None = None  # pieces of the longest sentence in training; None: not known
    number: int = 0  # lines of the text so far
    told: set[str] = field(default_factory=set)

    def look(self, lengths: list[int], most: int) -> None:
        """Look at the pieces of the next lines, of which the model reads at most so many."""
        for number, length in enumerate(lengths, self.number + 1):
            pieces = f"more than {most:,}" if length > most else f"{length:,}"
            if length > most:
                self.tell(
                    "cut", f"line {number:,} was truncated to {most:,} pieces (decode.max_source)"
                )
            if self.trained is not None and length > self.trained:
                self.tell(
                    "long",
                    f"line {number:,} has {pieces} pieces, but no sentence in training had more "
                    f"than {self.trained:,} (clean.max_pieces): much of it may be missing in "
                    "the translation. Put one sentence on each line",
                )
        self.number += len(lengths)

    def tell(self, what: str, message: str) -> None:
        """Warn, unless such a line was told before."""
        if what not in self.told:
            self.told.add(what)
            log.warning("%s. Further such lines are not reported", message)
