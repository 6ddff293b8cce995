"""What a result says of the program that made it."""

from pathlib import Path

import pytest

from nmt.runs import versions
from nmt.runs.versions import commit, version_of


def test_packages_have_versions_and_sources_alone_have_none():
    assert version_of("torch").startswith("2.")
    assert version_of("nmt") != "not installed"
    assert version_of("nowhere") == "not installed"


@pytest.mark.parametrize("lacking", ["git", "checkout"])
def test_without_git_or_a_checkout_there_is_no_commit(lacking, tmp_path, monkeypatch):
    if lacking == "git":
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / ".git").mkdir()
    package = tmp_path / "nmt"
    monkeypatch.setattr(versions, "__file__", str(Path(package, "runs", "versions.py")))

    assert commit() is None
