"""The corpora of this machine, for tests on real text; and how to have little of the Bible."""

import os
from pathlib import Path

import pytest

from nmt.data import bible

ROOT = Path(os.environ.get("NMT_DATA") or Path(__file__).parents[2] / "shared" / "data")


def corpus_folder(name: str) -> str:
    """The folder of a corpus, `$NMT_DATA/<name>`; the test is skipped where it is absent."""
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(f"no corpus {name}: set NMT_DATA to the folder that holds {name}/")
    return str(folder)


def shorten_bible(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Have the Bible be its first two books, 90 chapters, and have a cache of its own for them."""
    read = bible.read_verses
    patch.setattr(
        bible,
        "read_verses",
        lambda *given: {place: text for place, text in read(*given).items() if place[0] < 3},
    )
    patch.setenv("NMT_CACHE", str(cache))
