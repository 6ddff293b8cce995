"""Lines that are too long for a model to translate whole; a text gets one warning."""

import logging
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass
class LongLines:
    """Warns of the first line that is cut, and of the first that is longer than any in training.

    A model ends early if a line is longer than those it has learned from, and does not say so.
    """

    trained: int | None = None  # pieces of the longest sentence in training; None: not known
    number: int = 0  # lines of the text so far
    told: set[str] = field(default_factory=set)

    def look(self, lengths: list[int], most: int) -> None:
        """Look at the pieces of the next lines, of which the model reads at most this many."""
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
        """Warn, but only once for each kind of line."""
        if what not in self.told:
            self.told.add(what)
            log.warning("%s. Further such lines are not reported", message)
