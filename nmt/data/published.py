"""Corpora that others published: the same text from a local folder or from the Hugging Face hub."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from nmt.data.cache import expanded
from nmt.data.compressed import COMPRESSED
from nmt.data.corpus import Splits
from nmt.data.hub import Hub
from nmt.data.lines import read_pair
from nmt.data.pairs import Multilingual
from nmt.errors import UserError


@dataclass
class Published(Multilingual):
    """In the folder, a split is two files `<name>.<language>`, plain or compressed (`.gz` …)."""

    dir: str | None = None  # None: from the hub

    @abstractmethod
    def languages(self) -> tuple[str, ...]:
        """The languages that the corpus has."""

    @abstractmethod
    def files(self) -> tuple[str, str, str]:
        """The names of train, dev and test in the folder."""

    @abstractmethod
    def hub(self) -> Hub:
        """The dataset on the hub."""

    def content(self) -> object:
        self._check()
        if self.dir is None:
            return self.hub().content()
        return None

    def paths(self) -> list[Path]:
        self._check()
        return [path for pair in self._pairs() for path in pair]

    def read(self, scratch: Path) -> Splits:
        self._check()
        if self.dir is None:
            return self.hub().read(scratch)
        return Splits(*(read_pair(*pair, scratch) for pair in self._pairs()))

    def _check(self) -> None:
        for side, language in (("source", self.source), ("target", self.target)):
            if language not in self.languages():
                raise UserError(
                    f"data.{side}={language}: choose one of {', '.join(self.languages())}"
                )
        if self.source == self.target:
            raise UserError(f"data.source and data.target are both {self.source}")

    def _pairs(self) -> list[tuple[Path, Path]]:
        """The files of train, dev and test; none where they come from the hub."""
        if self.dir is None:
            return []
        place = expanded(self.dir)
        if not place.is_dir():
            raise UserError(f"data.dir={self.dir}: no such folder")
        return [
            (_find(place, f"{name}.{self.source}"), _find(place, f"{name}.{self.target}"))
            for name in self.files()
        ]


def _find(folder: Path, name: str) -> Path:
    for ending in ("", *COMPRESSED):
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    raise UserError(f"data.dir={folder} has no file {name} (nor {name}{', '.join(COMPRESSED)})")
