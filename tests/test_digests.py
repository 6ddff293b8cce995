"""The digest of a large file is kept as long as nothing has been written to the file."""

import os
import time
from pathlib import Path

import pytest

from nmt.data import digests
from nmt.data.cache import file_digest
from nmt.data.digests import kept_digest

HOUR = 3600


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large; the clock stands an hour after it was written."""
    path = tmp_path / "text"
    path.write_text("one")
    monkeypatch.setattr(digests, "LARGE", 3)
    later = time.time_ns() + HOUR * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    return path


def test_a_large_file_at_rest_is_read_once(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = file_digest(file)
    assert kept_digest(file, tmp_path) == expected
    monkeypatch.setattr(digests, "file_digest", lambda path: pytest.fail("read again"))
    assert kept_digest(file, tmp_path) == expected


def test_what_was_written_is_seen_though_size_and_time_are_put_back(
    file: Path, tmp_path: Path
) -> None:
    before, times = kept_digest(file, tmp_path), file.stat()
    time.sleep(0.02)  # a tick of the clock: within one, nothing would have been kept
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert kept_digest(file, tmp_path) == file_digest(file) != before


def test_another_file_in_its_place_is_seen(file: Path, tmp_path: Path) -> None:
    before, times = kept_digest(file, tmp_path), file.stat()
    other = tmp_path / "other"
    other.write_text("two")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert kept_digest(file, tmp_path) == file_digest(file) != before


def test_nothing_is_kept_of_a_file_that_was_just_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    just = file.stat().st_mtime_ns + 10**9
    monkeypatch.setattr(time, "time_ns", lambda: just)
    kept_digest(file, tmp_path)
    assert not (tmp_path / "digests").exists()


def test_nothing_is_kept_of_a_file_that_changes_meanwhile(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        found = file_digest(path)
        path.write_text("longer")
        return found

    monkeypatch.setattr(digests, "file_digest", read)
    kept_digest(file, tmp_path)
    assert not (tmp_path / "digests").exists()


def test_nothing_is_kept_of_a_small_file(file: Path, tmp_path: Path) -> None:
    file.write_text("1")
    kept_digest(file, tmp_path)
    assert not (tmp_path / "digests").exists()
