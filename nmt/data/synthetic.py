"""Pairs that training reads beside a corpus, with one side written by a model.

Back-translation (Sennrich et al. 2016) makes sources for text of the target language. They may
begin with a tag, so that the model can tell them from real ones (Caswell et al. 2019).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from nmt.data.corpus import chosen, tables, texts
from nmt.data.files import Files
from nmt.data.text import Text
from nmt.errors import UserError


@dataclass
class Synthetic:
    """Pairs for train alone: dev and test are never cut from them."""

    files: list[str] | None = None  # [SOURCE,TARGET] or [TABLE], as of data=files; null: none
    tag: str | None = None  # one piece that begins each of their sources; null: none

    def __post_init__(self) -> None:
        """UserError for other numbers of files, and for an empty tag."""
        if self.files is not None and len(self.files) not in (1, 2):
            raise UserError(
                f"synthetic.files has {len(self.files)} files: pass [SOURCE,TARGET] or [TABLE]"
            )
        if self.tag is not None and not self.files:
            raise UserError(
                f"synthetic.tag={self.tag} begins the sources of synthetic.files, but there are "
                "none: pass 'synthetic.files=[SOURCE,TARGET]', or remove synthetic.tag"
            )

    def of(self, source: str, target: str) -> Files | None:
        """The files as a corpus of these languages; None: there are none."""
        if not self.files:
            return None
        return Files(source, target, train=self.files, dev_size=0, test_size=0)


class TrainText(NamedTuple):
    """The pairs of train before cleaning: N real ones, then M synthetic ones."""

    real: Dataset
    synthetic: Dataset | None = None
    tag: str | None = None

    def blocks(self) -> Iterator[Text]:
        """All pairs, without tags: they are cleaned as any text is."""
        for part in (self.real, self.synthetic):
            yield from map(texts, tables(part)) if part is not None else ()

    def chosen(self, rows: np.ndarray) -> Iterator[Text]:
        """Some of the N + M pairs, by their sorted numbers; synthetic sources with their tag."""
        num_real = len(self.real)
        start = np.searchsorted(rows, num_real)
        real = map(texts, chosen(self.real, rows[:start]))
        if self.synthetic is None:
            return real
        synthetic = map(texts, chosen(self.synthetic, rows[start:] - num_real))
        return chain(real, (self._tagged(text) for text in synthetic))

    def _tagged(self, text: Text) -> Text:
        source, target = text
        return ([f"{self.tag} {line}" for line in source], target) if self.tag else text


def text_of_train(
    real: Dataset, synthetic: Synthetic, languages: tuple[str, str], cache: Path
) -> TrainText:
    """Train of a corpus with its synthetic pairs. UserError for files that cannot be read."""
    files = synthetic.of(*languages)
    if files is None:
        return TrainText(real)
    return TrainText(real, files.load(cache).train, synthetic.tag)
