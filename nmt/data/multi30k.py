"""Multi30k: image captions in English with human translations (Elliott et al. 2016, 2017)."""

from dataclasses import dataclass
from pathlib import Path

from nmt.data.cache import digest, file_digest
from nmt.data.corpus import Corpus, Splits
from nmt.data.files import read_pair
from nmt.errors import UserError


@dataclass
class Multi30k(Corpus):
    """Any two of English, German and French."""

    source: str = "de"
    target: str = "en"
    dir: str | None = None  # the folder with train.de.gz, val.de.gz, test_2016_flickr.de.gz …
    test: str = "test_2016_flickr"

    def content(self) -> str:
        return digest([file_digest(path) for pair in self._paths() for path in pair])

    def read(self) -> Splits:
        return Splits(*(read_pair(*pair) for pair in self._paths()))

    def _paths(self) -> list[tuple[Path, Path]]:
        if self.dir is None:
            raise UserError("data.dir= is needed")
        folder = Path(self.dir)
        return [
            (folder / f"{name}.{self.source}.gz", folder / f"{name}.{self.target}.gz")
            for name in ("train", "val", self.test)
        ]
